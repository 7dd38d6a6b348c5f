import LinuxSystem

/// QEMU's argument vector for one machine, with the descriptors that it speaks of.
struct QEMUCommandLine {
    /// What QEMU gets as descriptors 0, 1, 2 and so on.
    private(set) var descriptors: [Descriptor] = []
    /// Those of them that it opens anew.
    private(set) var reopened: [Descriptor] = []
    /// The file that it shall get as its memory.
    private(set) var answerToOpens: Descriptor?
    /// What it is told over its control socket before anything else.
    private(set) var firstCommands: [Command] = []
    /// The arguments, beginning with the program's name.
    private(set) var arguments: [String]

    /// The most memory that translated code may take.
    static let translationCache: Int64 = 256 << 20

    /// A command of the control protocol, with a JSON object.
    typealias Command = (command: String, arguments: String)

    /// Memory that is in a file stays there when the rest is written and read.
    private static let leavingMemory: Command = (
        "migrate-set-capabilities", #"{"capabilities":[{"capability":"x-ignore-shared","state":true}]}"#
    )

    /// The engine's ends of the channels to it.
    struct Channels {
        var input: Descriptor
        var messages: Descriptor
        var control: Descriptor
        var console: Descriptor
        var agent: Descriptor
        var network: Descriptor?
    }

    /// - Parameter sandbox: whether the program has QEMU's own system call filter.
    init(
        _ specification: MachineSpecification, engine: EngineFinder.Engine, firmware: Descriptor, channels: Channels,
        sandbox: Bool
    ) throws(EngineError) {
        let emulated = engine.accelerator == .emulated
        arguments = [engine.binary, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        arguments += ["-name", "sandpiper,process=sandpiper-vm"]
        if sandbox {
            arguments += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
        }
        // An emulated guest needs the interval timer to calibrate its clock, and without a real-time clock its kernel
        // looks for one for a whole second. On KVM it has a better clock than both.
        let clocks = emulated ? "pit=on,pic=on,rtc=on" : "pit=off,pic=off,rtc=off"
        let memory = "\((specification.memory + 1 << 20 - 1) >> 20)M"
        let board = "microvm,x-option-roms=off,acpi=off,isa-serial=off,\(clocks),mem-merge=off,dump-guest-core=off"
        arguments += ["-M", board + (specification.memoryFile == nil ? "" : ",memory-backend=memory")]
        if emulated {
            arguments += ["-accel", "tcg,tb-size=\(Self.translationCache >> 20)"]
        } else {
            arguments += ["-accel", "kvm"]
        }
        arguments += ["-cpu", engine.processor]
        arguments += ["-smp", "\(specification.cpus)", "-m", memory]
        if let file = specification.memoryFile {
            // Whatever the path: the open is answered with this file.
            let sharing = specification.isFork ? "off" : "on"
            arguments += [
                "-object", "memory-backend-file,id=memory,size=\(memory),mem-path=/memory,share=\(sharing)",
                // A machine that was stopped to be frozen shall run when it goes on, and not stop again.
                "-global", "migration.store-global-state=off", "-global", "migration.x-events=on",
                "-global", "migration.x-max-bandwidth=\(1 << 40)",
            ]
            firstCommands.append(Self.leavingMemory)
            answerToOpens = file
        }

        descriptors = [channels.input, channels.messages, channels.messages]
        addChannels(channels)
        arguments += ["-bios", reopen(firmware)]
        switch specification.origin {
        case .boot(let kernel, let initramfs, _):
            arguments += ["-kernel", reopen(kernel), "-initrd", reopen(initramfs)]
            arguments += ["-append", Self.kernelArguments(specification, emulated: emulated).joined(separator: " ")]
        case .frozen(_, let state):
            arguments += ["-incoming", "defer"]
            firstCommands.append((command: "migrate-incoming", arguments: #"{"uri":"fd:\#(pass(state))"}"#))
        }
        arguments += ["-device", "virtio-rng-device"]
        for (index, disk) in specification.disks.enumerated() { try add(disk, index) }
        if let network = channels.network {
            arguments += ["-netdev", "stream,id=network,server=off,addr.type=fd,addr.str=\(pass(network))"]
            arguments += ["-device", "virtio-net-device,id=network-device,netdev=network,host_mtu=65520"]
        }
    }

    private static func kernelArguments(_ specification: MachineSpecification, emulated: Bool) -> [String] {
        // Without ACPI the guest ends by a triple fault, which -no-reboot turns into the end of QEMU.
        var words = ["console=hvc0", "reboot=t", "panic=-1", "quiet"]
        // An emulated processor does not speculate, and its timer interrupt is known to come.
        if emulated { words += ["mitigations=off", "no_timer_check"] }
        if emulated, specification.cpus == 1 {
            // A tenth of a second each: measuring the processor's own timer, where the interval timer does as well; and
            // taking the lock prefixes out of the kernel's code, which with one processor are translated to nothing.
            words += ["noapictimer", "noreplace-smp"]
        }
        return words + specification.commandLine
    }

    private mutating func addChannels(_ channels: Channels) {
        arguments += [
            "-chardev", "socket,id=control,fd=\(pass(channels.control))", "-mon", "chardev=control,mode=control",
        ]
        arguments += ["-device", "virtio-serial-device"]
        arguments += [
            "-chardev", "socket,id=console,fd=\(pass(channels.console))", "-device", "virtconsole,chardev=console",
        ]
        arguments += [
            "-chardev", "socket,id=agent,fd=\(pass(channels.agent))", "-device",
            "virtserialport,name=agent,chardev=agent",
        ]
    }

    private mutating func add(_ disk: MachineSpecification.Disk, _ index: Int) throws(EngineError) {
        let node = "disk\(index)"
        let access = #""read-only":\#(disk.readOnly)"#
        let format: String
        let padding = (disk.size ?? 0) - disk.length
        if padding <= 0, disk.extents.count == 1, let extent = disk.extents.first {
            format = #""driver":"raw","offset":0,"size":\#(extent.length)"#
            arguments += ["-blockdev", blockDevice(node, format, access, file: set(extent.file))]
        } else {
            let joined: Descriptor
            do {
                var extents = disk.extents.map { (set($0.file), $0.length / 512) }
                // What a file does not hold reads as zeros.
                if padding > 0 { extents.append((set(try VMDKDescriptor.emptyFile()), padding / 512)) }
                joined = try VMDKDescriptor.make(extents)
            } catch { throw .prepare("disk \(disk.serial)", error) }
            format = #""driver":"vmdk""#
            arguments += ["-blockdev", blockDevice(node, format, access, file: set(joined))]
        }
        // On a full disk of the host the guest sees an error, where QEMU would rather stop its processors for good.
        arguments += ["-device", "virtio-blk-device,drive=\(node),serial=\(disk.serial),rerror=report,werror=report"]
    }

    private func blockDevice(_ node: String, _ format: String, _ access: String, file: String) -> String {
        // Locks are the store's matter, and blocks that the guest gives up are given back.
        #"{"node-name":"\#(node)",\#(format),\#(access),"discard":"unmap","file":{"driver":"file","filename":"\#(file)","#
            + #""locking":"off","discard":"unmap",\#(access)}}"#
    }

    /// Passes a descriptor; its number in QEMU.
    private mutating func pass(_ descriptor: Descriptor) -> Int {
        descriptors.append(descriptor)
        return descriptors.count - 1
    }

    /// Passes a file that QEMU opens by name only; the name.
    private mutating func reopen(_ file: Descriptor) -> String {
        reopened.append(file)
        return "/proc/self/fd/\(pass(file))"
    }

    /// Passes a file that QEMU takes from a set of its own; the set's name.
    private mutating func set(_ file: Descriptor) -> String {
        let number = pass(file)
        arguments += ["-add-fd", "fd=\(number),set=\(number)"]
        return "/dev/fdset/\(number)"
    }
}
