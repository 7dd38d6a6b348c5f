import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import MountServer

/// A directory of a test's own that ends with it.
final class TestDirectory {
    let path: String

    init() throws {
        path = "/tmp/sandpiper-mounts-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileTree.makeDirectory(path, mode: 0o755)
    }

    deinit {
        // Names may be any bytes, and modes any.
        if let shell = popen("chmod -R u+rwX '\(path)'; rm -rf '\(path)'", "r") { pclose(shell) }
    }

    func write(_ name: String, _ text: String) throws {
        try FileTree.writeAtomically(Array(text.utf8), to: "\(path)/\(name)", mode: 0o644)
    }

    func text(_ name: String) throws -> String { String(decoding: try FileTree.read("\(path)/\(name)"), as: UTF8.self) }
}

/// A guest's kernel of which each request is made by hand, with a service in this process.
final class TestGuest {
    let directory: TestDirectory
    let root: Descriptor
    let out = OutgoingMessages()
    let service: MountService
    private var unique: UInt64 = 0

    /// A umask for requests.
    static let umask: UInt32 = 0o022

    struct Reply {
        var error: Int32
        var body: [UInt8]

        func number<Number: FixedWidthInteger>(at offset: Int, _: Number.Type = Number.self) throws -> Number {
            try #require(offset + MemoryLayout<Number>.size <= body.count)
            return body.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
        }
    }

    init(
        _ directory: TestDirectory, _ options: MountOptions = MountOptions(), mostOpen: Int = 256,
        initializes: Bool = true
    ) throws {
        self.directory = directory
        root = try Descriptor(opening: directory.path, linux_open_path)
        service = try MountService(
            root: root.rawValue, options, out: out, mostOpen: mostOpen, umask: nil)
        if initializes { #expect(try request(.initialize, 0, Self.initialization).error == 0) }
    }

    static let initialization =
        bytes(UInt32(7), UInt32(41), UInt32(131_072), UInt32.max) + bytes(UInt32.max) + zeros(44)

    static func bytes(_ numbers: any FixedWidthInteger...) -> [UInt8] {
        numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
    }

    static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    static func text(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

    static func message(_ operation: UInt32, unique: UInt64, node: UInt64, _ body: [UInt8]) -> [UInt8] {
        bytes(UInt32(40 + body.count), operation, unique, node, getuid(), getgid(), UInt32(1), UInt32(0)) + body
    }

    /// Sends a request and takes the reply; `nil` when there is none.
    func exchange(_ operation: UInt32, _ node: UInt64, _ body: [UInt8]) throws -> Reply? {
        unique += 1
        let message = Self.message(operation, unique: unique, node: node, body)
        try message.withUnsafeBytes { try service.handle($0) }
        let pending = Array(out.pending)
        out.remove(pending.count)
        if pending.isEmpty { return nil }
        let reply = try #require(pending.count >= 16 ? pending : nil)
        let header = Reply(error: 0, body: reply)
        #expect(try header.number(at: 0, UInt32.self) == reply.count)
        #expect(try header.number(at: 8, UInt64.self) == unique)
        return Reply(error: -(try header.number(at: 4)), body: Array(reply.dropFirst(16)))
    }

    func request(_ operation: KernelProtocol.Operation, _ node: UInt64, _ body: [UInt8] = []) throws -> Reply {
        try #require(try exchange(operation.rawValue, node, body))
    }

    /// The node with a name.
    func lookUp(_ name: String, in parent: UInt64 = 1) throws -> UInt64 {
        let reply = try request(.lookup, parent, Self.text(name))
        #expect(reply.error == 0, "\(name)")
        return try reply.number(at: 0)
    }

    /// Opens a node and returns the handle.
    func open(_ node: UInt64, _ flags: Int32 = O_RDONLY) throws -> UInt64 {
        let reply = try request(.open, node, Self.bytes(flags, UInt32(0)))
        #expect(reply.error == 0)
        return try reply.number(at: 0)
    }

    func read(_ handle: UInt64, node: UInt64, offset: UInt64 = 0, size: UInt32 = 4096) throws -> Reply {
        try request(.read, node, Self.bytes(handle, offset, size, UInt32(0), UInt64(0), UInt32(0), UInt32(0)))
    }

    func write(_ handle: UInt64, node: UInt64, _ text: String, offset: UInt64 = 0) throws -> Reply {
        let content = Array(text.utf8)
        return try request(
            .write, node,
            Self.bytes(handle, offset, UInt32(content.count), UInt32(0), UInt64(0), UInt32(0), UInt32(0)) + content)
    }

    /// A service that goes on from the state of this one, which has gone through bytes.
    func successor(_ change: (inout SavedState) -> Void = { _ in }) throws -> TestGuest {
        var state = service.savedState()
        change(&state)
        let next = try TestGuest(directory, initializes: false)
        let bytes = state.encoded()
        let read = try bytes.withUnsafeBytes { try SavedState($0, rootDevice: next.service.rootDevice) }
        try next.service.restore(read)
        next.out.remove(next.out.pending.count)
        return next
    }
}
