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
    }

    /// The program that goes on where the process stood, open for reading.
    public var program: Descriptor
    /// What it expects to have open.
    public var layout: Layout

    /// A frozen engine.
    public init(program: Descriptor, layout: Layout) {
        self.program = program
        self.layout = layout
    }
}

extension FrozenEngine.Layout {
    /// What the descriptors of a frozen process are.
    /// - Parameter identities: device and number of the files that the engine was given.
    init(_ checkpoint: Checkpoint, _ identities: [FileNumber: EngineRole]) throws(EngineError) {
        var roles: [Int32: EngineRole] = [:]
        for descriptor in checkpoint.descriptors {
            guard case .file(let device, let inode) = descriptor.kind else { continue }
            guard let role = identities[FileNumber(device: device, inode: inode)] else {
                throw .frozen("it has a file open that it was not given, as descriptor \(descriptor.number)")
            }
            roles[descriptor.number] = role
        }
        self.init(checkpoint: checkpoint, roles: roles)
    }

    /// Lines of text: the numbers of program and memory, then each descriptor's number, whether it blocks, and its use.
    public var text: String {
        var text = "\(checkpoint.program) \(checkpoint.memory)\n"
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
        guard let numbers = lines.first?.compactMap({ Int32($0) }), numbers.count == 2, lines.count <= 4096 else {
            return nil
        }
        var descriptors: [FrozenDescriptor] = []
        var roles: [Int32: EngineRole] = [:]
        for words in lines.dropFirst() {
            guard words.count >= 3, let number = Int32(words[0]), (0..<numbers[0]).contains(number) else { return nil }
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
        guard numbers[0] > 0, numbers[0] < 4096, numbers[1] == numbers[0] + 1 else { return nil }
        self.init(
            checkpoint: Checkpoint(descriptors: descriptors, program: numbers[0], memory: numbers[1]), roles: roles)
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
