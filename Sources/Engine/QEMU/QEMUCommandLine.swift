import LinuxSystem

/// QEMU's argument vector for one machine, with the descriptors that it speaks of.
struct QEMUCommandLine {
    /// What QEMU gets as descriptors 0, 1, 2 and so on.
    private(set) var descriptors: [Descriptor] = []
    /// Those of them that it opens anew.
    private(set) var reopened: [Descriptor] = []
    /// The arguments, beginning with the program's name.
    private(set) var arguments: [String]

    /// The most memory that translated code may take.
    static let translationCache: Int64 = 256 << 20

    /// The engine's ends of the channels to it.
    struct Channels {
        var input: Descriptor
        var messages: Descriptor
        var control: Descriptor
        var console: Descriptor
        var agent: Descriptor
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
        arguments += [
            "-M", "microvm,x-option-roms=off,acpi=off,isa-serial=off,\(clocks),mem-merge=off,dump-guest-core=off",
        ]
        if emulated {
            // A guest that is told of fast string moves copies with them, and they are the slowest moves to emulate.
            arguments += ["-accel", "tcg,tb-size=\(Self.translationCache >> 20)", "-cpu", "max,-erms,-fsrm"]
        } else {
            arguments += ["-accel", "kvm", "-cpu", "host"]
        }
        arguments += ["-smp", "\(specification.cpus)", "-m", "\((specification.memory + 1 << 20 - 1) >> 20)M"]

        descriptors = [channels.input, channels.messages, channels.messages]
        addChannels(channels)
        arguments += ["-bios", reopen(firmware)]
        arguments += ["-kernel", reopen(specification.kernel), "-initrd", reopen(specification.initramfs)]
        arguments += ["-append", Self.kernelArguments(specification, emulated: emulated).joined(separator: " ")]
        arguments += ["-device", "virtio-rng-device"]
        for (index, disk) in specification.disks.enumerated() { try add(disk, index) }
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
        if disk.extents.count == 1, let extent = disk.extents.first {
            format = #""driver":"raw","offset":0,"size":\#(extent.length)"#
            arguments += ["-blockdev", blockDevice(node, format, access, file: set(extent.file))]
        } else {
            let joined: Descriptor
            do { joined = try VMDKDescriptor.make(disk.extents.map { (set($0.file), $0.length / 512) }) } catch {
                throw .prepare("disk \(disk.serial)", error)
            }
            format = #""driver":"vmdk""#
            arguments += ["-blockdev", blockDevice(node, format, access, file: set(joined))]
        }
        arguments += ["-device", "virtio-blk-device,drive=\(node),serial=\(disk.serial)"]
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
