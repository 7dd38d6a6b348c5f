import Checkpoint
import LinuxSystem

/// What a frozen engine is given when it goes on as another machine's.
struct ThawedEngine {
    /// What it gets as descriptors 0, 1, 2 and so on.
    private(set) var descriptors: [Descriptor] = []
    /// What it is told before anything else: to take up its disks, and to run.
    private(set) var firstCommands: [QEMUCommandLine.Command] = []

    /// What the files are to it.
    private(set) var given: [EngineRole: Descriptor]
    private var usedSlots = 0

    init(
        _ specification: MachineSpecification, _ frozen: FrozenEngine, memory: FrozenMemory,
        channels: QEMUCommandLine.Channels
    ) throws(EngineError) {
        given = [
            .input: channels.input, .messages: channels.messages, .control: channels.control,
            .console: channels.console, .agent: channels.agent, .memory: memory.base,
        ]
        given[.network] = channels.network
        do {
            given[.random] = try Descriptor(opening: "/dev/urandom")
            for (index, disk) in specification.disks.enumerated() { try add(disk, index) }
            if frozen.layout.isUsed { firstCommands = [] }
            if !frozen.layout.isUsed, !specification.isPaused {
                firstCommands.append((command: "cont", arguments: "{}"))
            }
            let checkpoint = frozen.layout.checkpoint
            let files = [frozen.program] + frozen.parents + memory.files
            guard files.count == Int(checkpoint.files) + 1 else {
                throw EngineError.frozen("it was frozen with another number of files")
            }
            descriptors = [Descriptor](repeating: channels.input, count: Int(checkpoint.program)) + files
            for descriptor in checkpoint.descriptors {
                descriptors[Int(descriptor.number)] = try replacement(
                    for: descriptor, frozen.layout.roles, unused: channels.input)
            }
        } catch {
            throw error as? EngineError ?? .prepare("a frozen engine", error as? SystemError ?? SystemError("prepare"))
        }
    }

    private func replacement(
        for descriptor: FrozenDescriptor, _ roles: [Int32: EngineRole], unused: Descriptor
    ) throws(SystemError) -> Descriptor {
        if let new = try descriptor.recreated() { return new }
        guard let role = roles[descriptor.number], let file = given[role] else { return unused }
        if descriptor.isNonblocking { try file.setNonblocking(true) }
        return file
    }

    private mutating func add(_ disk: MachineSpecification.Disk, _ index: Int) throws {
        guard disk.readOnly else {
            guard disk.extents.count == 1, let extent = disk.extents.first else {
                throw EngineError.specification("a writable disk of several files")
            }
            return given[.disk(index)] = extent.file
        }
        // Another disk takes the frozen one's place below the device, which keeps its size.
        var extents = try disk.extents.map { (try slot($0.file), $0.length / 512) }
        let padding = (disk.size ?? 0) - disk.length
        if padding > 0 { extents.append((try slot(VMDKDescriptor.emptyFile()), padding / 512)) }
        let joined = try slot(VMDKDescriptor.make(extents))
        let node = "joined\(index)"
        let file = #"{"driver":"file","filename":"\#(joined)","locking":"off","read-only":true}"#
        firstCommands += [
            (
                command: "blockdev-add",
                arguments: #"{"node-name":"\#(node)","driver":"vmdk","read-only":true,"file":\#(file)}"#
            ),
            (
                command: "blockdev-reopen",
                arguments: #"{"options":[\#(QEMUCommandLine.diskNode(index, disk, file: "\"\(node)\""))]}"#
            ),
        ]
    }

    /// The name by which the engine opens this file.
    private mutating func slot(_ file: Descriptor) throws -> String {
        guard usedSlots < QEMUCommandLine.slotCount else { throw EngineError.specification("too many files in disks") }
        defer { usedSlots += 1 }
        given[.slot(usedSlots)] = file
        return QEMUCommandLine.slotName(usedSlots)
    }
}
