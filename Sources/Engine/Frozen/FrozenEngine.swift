import Checkpoint
import LinuxSystem

/// An engine's process that was frozen together with its machine.
///
/// Thawed it needs no start of its own, and an emulator has the guest's code translated already. It is a matter of one
/// boot of one host: see ``Checkpoint``.
public struct FrozenEngine: Sendable {
    /// What its process had open.
    public struct Layout: Sendable, Equatable {
        let checkpoint: Checkpoint
        let roles: [Int32: EngineRole]
        /// Where the machine's memory lies in the process.
        let memoryAddress: UInt64
        /// Whether its machine was in use and has its disks, so that it is only to run.
        let isUsed: Bool
    }

    /// The program that goes on where the process stood, open for reading.
    public var program: Descriptor
    /// The programs that it is made from, open for reading: what it has in common with them is there only.
    public var parents: [Descriptor]
    /// What it expects to have open.
    public var layout: Layout

    /// A frozen engine.
    public init(program: Descriptor, parents: [Descriptor] = [], layout: Layout) {
        self.program = program
        self.parents = parents
        self.layout = layout
    }
}

extension FrozenEngine.Layout {
    /// What the descriptors of a frozen process are.
    /// - Parameter identities: device and number of the files that the engine was given.
    init(
        _ checkpoint: Checkpoint, _ identities: [FileNumber: EngineRole], memoryAddress: UInt64, isUsed: Bool
    ) throws(EngineError) {
        var roles: [Int32: EngineRole] = [:]
        for descriptor in checkpoint.descriptors {
            guard case .file(let device, let inode) = descriptor.kind else { continue }
            guard let role = identities[FileNumber(device: device, inode: inode)] else {
                throw .frozen("it has a file open that it was not given, as descriptor \(descriptor.number)")
            }
            roles[descriptor.number] = role
        }
        self.init(checkpoint: checkpoint, roles: roles, memoryAddress: memoryAddress, isUsed: isUsed)
    }

    /// Lines of text: the program's number, how many files follow it, the address of the machine's memory, `new` or `used`;
    /// then each descriptor's number, whether it blocks, and its use.
    public var text: String {
        var text = "\(checkpoint.program) \(checkpoint.files) \(memoryAddress) \(isUsed ? "used" : "new")\n"
        for descriptor in checkpoint.descriptors {
            let use =
                switch descriptor.kind {
                case .event(let count): "event \(count)"
                case .signals(let mask): "signals \(mask)"
                case .poll: "poll"
                case .file: roles[descriptor.number]?.text ?? "unused"
                }
            text += "\(descriptor.number) \(descriptor.isNonblocking ? "nonblocking" : "blocking") \(use)\n"
        }
        return text
    }

    /// Reads ``text``; `nil` when it is anything else.
    public init?(text: String) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard let first = lines.first, first.count == 4, lines.count <= 4096,
            let program = Int32(first[0]), let files = Int32(first[1]), let address = UInt64(first[2]),
            (1..<4096).contains(program), (1..<256).contains(files), ["new", "used"].contains(first[3])
        else { return nil }
        var descriptors: [FrozenDescriptor] = []
        var roles: [Int32: EngineRole] = [:]
        for words in lines.dropFirst() {
            guard words.count >= 3, let number = Int32(words[0]), (0..<program).contains(number) else { return nil }
            let kind: FrozenDescriptor.Kind
            let value = words.count == 4 ? UInt64(words[3]) : nil
            switch (words[2], value) {
            case ("event", let count?): kind = .event(count: count)
            case ("signals", let mask?): kind = .signals(mask: mask)
            case ("poll", nil): kind = .poll
            default:
                guard let role = EngineRole(words: words[2...]) else { return nil }
                kind = .file(device: 0, inode: 0)
                roles[number] = role
            }
            descriptors.append(
                FrozenDescriptor(number: number, kind: kind, isNonblocking: words[1] == "nonblocking"))
        }
        self.init(
            checkpoint: Checkpoint(descriptors: descriptors, program: program, files: files), roles: roles,
            memoryAddress: address, isUsed: first[3] == "used")
    }
}

/// A file, told from all others of this host.
struct FileNumber: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(_ descriptor: Descriptor) throws(SystemError) {
        let status = try descriptor.status()
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
