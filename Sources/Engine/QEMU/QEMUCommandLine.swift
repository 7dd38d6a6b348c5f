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
    private(set) var firstCommands: [Command] = [(command: "qmp_capabilities", arguments: "{}")]
    /// What makes it a machine that waits to go on, when it is done.
    private(set) var loading: Command?
    /// The arguments, beginning with the program's name.
    private(set) var arguments: [String]
    /// What the files are to it that it will have open.
    private(set) var roles: [(EngineRole, Descriptor)] = []
    /// How many parts of disks there are.
    private var parts = 0

    /// The most memory that translated code may take.
    static let translationCache: Int64 = 256 << 20

    /// A command of the control protocol, with a JSON object.
    typealias Command = (command: String, arguments: String)

    /// The engine's ends of the channels to it.
    struct Channels {
        var input: Descriptor
        var messages: Descriptor
        var control: Descriptor
        var console: Descriptor
        var agent: Descriptor
        var network: Descriptor?
    }

    /// - Parameters:
    ///   - sandbox: whether the program has QEMU's own system call filter.
    ///   - counterRate: what `HostClock.counterKilohertz()` says.
    init(
        _ specification: MachineSpecification, engine: EngineFinder.Engine, firmware: Descriptor, channels: Channels,
        sandbox: Bool, counterRate: UInt64
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
        let board =
            "microvm,x-option-roms=off,acpi=off,isa-serial=off,\(clocks),mem-merge=off,dump-guest-core=off,suppress-vmdesc=on"
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
                "-global", "migration.store-global-state=off",
                // The state is that of devices alone, without a head that speaks of a migration.
                "-global", "migration.send-configuration=off",
            ]
            answerToOpens = file
        }

        descriptors = [channels.input, channels.messages, channels.messages]
        roles = [(.input, channels.input), (.messages, channels.messages)]
        if let file = specification.memoryFile { roles.append((.memory, file)) }
        addChannels(channels)
        arguments += ["-bios", reopen(firmware)]
        switch specification.origin {
        case .boot(let kernel, let initramfs, _):
            arguments += ["-kernel", reopen(kernel), "-initrd", reopen(initramfs)]
            let words = Self.kernelArguments(specification, emulated: emulated, counterRate: counterRate)
            arguments += ["-append", words.joined(separator: " ")]
            if emulated, specification.memoryFile != nil {
                do { try addSlots() } catch { throw .prepare("room for disks", error) }
            }
        case .frozen(_, let state):
            arguments += ["-incoming", "defer"]
            let load: Command = (command: "migrate-incoming", arguments: #"{"uri":"fd:\#(pass(state))"}"#)
            if specification.isPaused {
                arguments += ["-S", "-global", "migration.x-events=on"]
                loading = load
            } else {
                firstCommands.append(load)
            }
        case .thawed: throw .specification("a command line for an engine that has started")
        }
        // The kernel's generator: the engine's own would be the same in all that are thawed from one.
        arguments += ["-object", "rng-random,id=random,filename=/dev/urandom"]
        arguments += ["-device", "virtio-rng-device,rng=random"]
        for (index, disk) in specification.disks.enumerated() { try add(disk, index) }
        if let network = channels.network {
            // The newer `stream` wakes the engine's loop twice more for each read, the processor's thread waiting.
            arguments += ["-netdev", "socket,id=network,fd=\(pass(network, as: .network))"]
            arguments += ["-device", "virtio-net-device,id=network-device,netdev=network,host_mtu=65520"]
        }
    }

    private static func kernelArguments(
        _ specification: MachineSpecification, emulated: Bool, counterRate: UInt64
    ) -> [String] {
        // Without ACPI the guest ends by a triple fault, which -no-reboot turns into the end of QEMU.
        // To count how long programs wait for what costs each switch between them a twentieth, and nobody asks.
        var words = ["console=hvc0", "reboot=t", "panic=-1", "quiet", "psi=0"]
        // An emulated processor does not speculate, and its timer interrupt is known to come.
        // Its time stamp counter is the host's, and measuring that against an emulated timer goes wrong every other time.
        // To sleep and to be woken costs it and the host's processor up to a few hundred microseconds: for 400 a program that
        // waits for the network looks for what comes before it sleeps.
        if emulated {
            words += ["mitigations=off", "no_timer_check", "tsc=reliable", "tsc_early_khz=\(counterRate)"]
            words += ["sysctl.net.core.busy_read=400", "sysctl.net.core.busy_poll=400"]
            // The processor's own timer counts nanoseconds; the interval timer would wake it 37 times a second for nothing.
            words += ["lapic_timer_khz=1000000"]
        }
        // A tenth of a second to take the lock prefixes out of the kernel's code, which with one processor are translated
        // to nothing.
        if emulated, specification.cpus == 1 { words += ["noreplace-smp"] }
        return words + specification.commandLine
    }

    private mutating func addChannels(_ channels: Channels) {
        arguments += [
            "-chardev", "socket,id=control,fd=\(pass(channels.control, as: .control))", "-mon",
            "chardev=control,mode=control",
        ]
        arguments += ["-device", "virtio-serial-device"]
        arguments += [
            "-chardev", "socket,id=console,fd=\(pass(channels.console, as: .console))", "-device",
            "virtconsole,chardev=console",
        ]
        arguments += [
            "-chardev", "socket,id=agent,fd=\(pass(channels.agent, as: .agent))", "-device",
            "virtserialport,name=agent,chardev=agent",
        ]
    }

    private mutating func add(_ disk: MachineSpecification.Disk, _ index: Int) throws(EngineError) {
        let padding = (disk.size ?? 0) - disk.length
        let file: String
        if padding <= 0, disk.extents.count == 1, let extent = disk.extents.first {
            file = Self.fileNode(set(extent.file, as: .disk(index)), disk)
        } else {
            let joined: Descriptor
            do {
                // In the order in which a thawed engine takes them up.
                var extents = disk.extents.map { (setPart($0.file), $0.length / 512) }
                // What a file does not hold reads as zeros.
                if padding > 0 { extents.append((setPart(try VMDKDescriptor.emptyFile()), padding / 512)) }
                joined = try VMDKDescriptor.make(extents)
            } catch { throw .prepare("disk \(disk.serial)", error) }
            file = #"{"driver":"vmdk",\#(Self.access(disk)),"file":\#(Self.fileNode(setPart(joined), disk))}"#
        }
        arguments += ["-blockdev", Self.diskNode(index, disk, file: file)]
        // On a full disk of the host the guest sees an error, where QEMU would rather stop its processors for good.
        arguments += [
            "-device", "virtio-blk-device,drive=disk\(index),serial=\(disk.serial),rerror=report,werror=report",
        ]
    }

    /// The block device that a disk's device sees, as JSON: as long as the disk shall be, whatever file is below.
    static func diskNode(_ index: Int, _ disk: MachineSpecification.Disk, file: String) -> String {
        let size = max(disk.size ?? 0, disk.length)
        return
            #"{"node-name":"disk\#(index)","driver":"raw","offset":0,"size":\#(size),\#(access(disk)),"file":\#(file)}"#
    }

    /// A file as a block device, as JSON. Locks are the store's matter, and blocks that the guest gives up are given back.
    private static func fileNode(_ name: String, _ disk: MachineSpecification.Disk) -> String {
        #"{"driver":"file","filename":"\#(name)","locking":"off",\#(access(disk))}"#
    }

    private static func access(_ disk: MachineSpecification.Disk) -> String {
        #""discard":"unmap","read-only":\#(disk.readOnly)"#
    }

    /// How many files may become parts of disks after the start: those of the largest disk, and two to join them.
    static let slotCount = MachineSpecification.Disk.maximumExtents + 2

    /// The name by which QEMU opens such a file.
    static func slotName(_ index: Int) -> String { "/dev/fdset/\(1000 + index)" }

    /// Makes room for files that come when the engine is thawed.
    private mutating func addSlots() throws(SystemError) {
        for index in 0..<Self.slotCount {
            let placeholder = try VMDKDescriptor.emptyFile()
            arguments += ["-add-fd", "fd=\(pass(placeholder, as: .slot(index))),set=\(1000 + index)"]
        }
    }

    /// Passes a descriptor; its number in QEMU.
    private mutating func pass(_ descriptor: Descriptor, as role: EngineRole = .unused) -> Int {
        descriptors.append(descriptor)
        roles.append((role, descriptor))
        return descriptors.count - 1
    }

    /// Passes a file that QEMU opens by name only; the name.
    private mutating func reopen(_ file: Descriptor) -> String {
        reopened.append(file)
        return "/proc/self/fd/\(pass(file))"
    }

    /// Passes a part of a disk, or the file that joins them; the name of its set.
    private mutating func setPart(_ file: Descriptor) -> String {
        defer { parts += 1 }
        return set(file, as: .slot(parts))
    }

    /// Passes a file that QEMU takes from a set of its own; the set's name.
    private mutating func set(_ file: Descriptor, as role: EngineRole = .unused) -> String {
        let number = pass(file, as: role)
        arguments += ["-add-fd", "fd=\(number),set=\(number)"]
        return "/dev/fdset/\(number)"
    }
}
