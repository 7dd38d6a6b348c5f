import CCheckpoint
import Glibc
import LinuxSystem

/// A descriptor of a frozen process.
public struct FrozenDescriptor: Sendable, Equatable {
    /// What is behind it.
    public enum Kind: Sendable, Equatable {
        /// A file, socket or pipe, told from all others by device and number.
        case file(device: UInt64, inode: UInt64)
        /// An eventfd(2) with this count.
        case event(count: UInt64)
        /// A signalfd(2) for this set of signals: bit 0 is signal 1.
        case signals(mask: UInt64)
        /// An epoll(7) set that watches nothing.
        case poll
    }

    /// Its number.
    public var number: Int32
    /// What is behind it.
    public var kind: Kind
    /// Whether it is of those that do not block.
    public var isNonblocking: Bool

    /// A descriptor as it was written down.
    public init(number: Int32, kind: Kind, isNonblocking: Bool) {
        self.number = number
        self.kind = kind
        self.isNonblocking = isNonblocking
    }
}

extension FrozenDescriptor {
    /// The descriptors of a process, by number.
    static func all(of pid: pid_t) throws -> [FrozenDescriptor] {
        let numbers = try FileTree.names(in: "/proc/\(pid)/fd").compactMap(Int32.init).sorted()
        return try numbers.map { try FrozenDescriptor($0, of: pid) }
    }

    private init(_ number: Int32, of pid: pid_t) throws {
        self.number = number
        let path = "/proc/\(pid)/fd/\(number)"
        let info = try String(decoding: FileTree.read("/proc/\(pid)/fdinfo/\(number)", limit: 1 << 20), as: UTF8.self)
        let fields = info.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1) }
        func value(_ name: String, radix: Int) throws(CheckpointError) -> UInt64 {
            guard let text = fields.first(where: { $0.first == name[...] })?.last,
                let value = UInt64(text.filter { !$0.isWhitespace }, radix: radix)
            else { throw CheckpointError("descriptor \(number) has no '\(name)'") }
            return value
        }
        let flags = try value("flags", radix: 8)
        isNonblocking = flags & UInt64(O_NONBLOCK) != 0
        var link = [CChar](repeating: 0, count: 4096)
        let length = readlink(path, &link, link.count)
        guard length >= 0 else { throw SystemError("read", path) }
        switch String(decoding: link[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self) {
        case "anon_inode:[eventfd]": kind = .event(count: try value("eventfd-count", radix: 16))
        case "anon_inode:[signalfd]": kind = .signals(mask: try value("sigmask", radix: 16))
        case "anon_inode:[eventpoll]":
            guard !fields.contains(where: { $0.first == "tfd" }) else {
                throw CheckpointError("descriptor \(number) watches others")
            }
            kind = .poll
        case let name where name.hasPrefix("anon_inode:"):
            throw CheckpointError("descriptor \(number) is of the kind \(name)")
        default:
            var status = stat()
            guard stat(path, &status) == 0 else { throw SystemError("look at", path) }
            kind = .file(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        }
    }
}

extension FrozenDescriptor {
    /// A new descriptor of the same kind in the same state; `nil` for a file, which only its owner can give.
    public func recreated() throws(SystemError) -> Descriptor? {
        let number: Int32
        switch kind {
        case .file: return nil
        case .event(let count): number = thaw_event(count)
        case .signals(let mask): number = thaw_signals(mask)
        case .poll: number = thaw_poll()
        }
        guard number >= 0 else { throw SystemError("make a descriptor for a thawed process") }
        let descriptor = Descriptor(owning: number)
        try descriptor.setNonblocking(isNonblocking)
        return descriptor
    }
}
