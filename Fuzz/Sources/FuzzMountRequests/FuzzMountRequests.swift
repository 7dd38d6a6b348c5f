import CLinux
import Glibc
import LinuxSystem
import TreeArchive

/// Requests of a guest's kernel, and then the state that the server would leave or that the input is, on a directory that
/// holds links which lead out. What is outside must stay as it is.
///
/// An input that begins with an even byte is a list of requests: each a byte for the operation, one for the node, one for
/// the length of what follows the header. One that begins with an odd byte is a saved state, with which a few requests are
/// carried out.
@c(LLVMFuzzerTestOneInput)
public func fuzzMountRequests(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(UnsafeBufferPointer(start: bytes, count: count))
    guard let kind = input.first else { return 0 }
    let rest = UnsafeRawBufferPointer(rebasing: input.dropFirst())
    room.fill()
    let first = Guest()
    if kind & 1 == 0 {
        first.carryOut(rest)
        let state = first.service.savedState().encoded()
        let next = Guest()
        state.withUnsafeBytes { state in
            guard next.takesUp(state) else { fatalError("a server does not understand its own state") }
        }
        next.carryOut(rest)
    } else if first.takesUp(rest) {
        first.carryOutUsual()
    }
    room.check()
    return 0
}

/// A service with messages for it.
private final class Guest {
    let out = OutgoingMessages()
    let root: Descriptor
    let service: MountService
    private var unique: UInt64 = 0

    init() {
        var options = MountOptions()
        options.sizeLimit = 1 << 20
        do {
            root = try Descriptor(opening: "\(room.path)/in", linux_open_path)
            service = try MountService(root: root.rawValue, options, out: out, mostOpen: 64, umask: nil)
        } catch { fatalError("the room of the fuzzer: \(error)") }
        send(.initialize, 0, Self.bytes([7, 38, 0, .max] as [UInt32]))
    }

    /// Goes on from a state, if it can be one.
    func takesUp(_ state: UnsafeRawBufferPointer) -> Bool {
        do {
            try service.restore(try SavedState(state, rootDevice: service.rootDevice))
        } catch { return false }
        out.remove(out.pending.count)
        return true
    }

    /// Carries out a list of requests.
    func carryOut(_ list: UnsafeRawBufferPointer) {
        var reader = MessageReader(list)
        for _ in 0..<64 {
            guard let operation: UInt8 = try? reader.number(), let node: UInt8 = try? reader.number(),
                let length: UInt8 = try? reader.number(),
                let body = try? reader.bytes(min(Int(length), reader.rest.count))
            else { return }
            send(UInt32(operation), UInt64(node), Array(body))
        }
    }

    /// Asks of a few nodes and handles what can be asked.
    func carryOutUsual() {
        for node in 1..<8 as Range<UInt64> {
            send(.getAttributes, node, [UInt8](repeating: 0, count: 16))
            send(.open, node, Self.bytes([UInt32(O_RDWR), 0]))
            send(.lookup, node, Array("file\0".utf8))
            send(.readLink, node, [])
            send(.unlink, node, Array("file\0".utf8))
            let read = Self.bytes([node, 0]) + Self.bytes([4096, 0, 0, 0, 0, 0] as [UInt32])
            for operation in [.read, .readDirectory, .readDirectoryPlus] as [KernelProtocol.Operation] {
                send(operation, node, read)
            }
            send(.write, node, Self.bytes([node, 0]) + Self.bytes([4, 0, 0, 0, 0, 0] as [UInt32]) + [1, 2, 3, 4])
        }
    }

    private func send(_ operation: KernelProtocol.Operation, _ node: UInt64, _ body: [UInt8]) {
        send(operation.rawValue, node, body)
    }

    private func send(_ operation: UInt32, _ node: UInt64, _ body: [UInt8]) {
        unique += 1
        let length = UInt32(KernelProtocol.requestHeader + body.count)
        let message =
            Self.bytes([length, operation]) + Self.bytes([unique, node]) + Self.bytes([0, 0, 1, 0] as [UInt32]) + body
        do { try message.withUnsafeBytes { try service.handle($0) } } catch {
            fatalError("a message with a good header")
        }
        var reader = MessageReader(out.pending)
        // At most one whole reply.
        if let length: UInt32 = try? reader.number() {
            guard Int(length) == out.pending.count, let error: Int32 = try? reader.number(),
                (-4095...0).contains(error),
                let answered: UInt64 = try? reader.number(), answered == unique
            else { fatalError("what is no reply") }
        }
        out.remove(out.pending.count)
    }

    private static func bytes<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
        numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
    }
}

private let room = Room()

/// A directory with one that is served and one beside it.
private struct Room: Sendable {
    let path: String

    init() {
        var template = Array("/dev/shm/fuzz-mounts-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no directory in /dev/shm") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        do {
            try FileTree.makeDirectory("\(path)/out")
            try FileTree.writeAtomically(Array("secret".utf8), to: "\(path)/out/file", mode: 0o640)
        } catch { fatalError("\(error)") }
        atexit { room.remove() }
    }

    /// Makes the directory that is served anew.
    func fill() {
        do {
            let here = try OpenFile.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
            if FileTree.exists("\(path)/in") { try TreeRemoval.remove(Array("in".utf8), in: here, recursive: true) }
            try FileTree.makeDirectory("\(path)/in/dir")
            try FileTree.writeAtomically(Array("content".utf8), to: "\(path)/in/file")
        } catch { fatalError("the room of the fuzzer: \(error)") }
        symlink("../out", "\(path)/in/link")
        symlink("../../out/file", "\(path)/in/dir/file")
    }

    func remove() {
        guard let parent = try? OpenFile.open(Array("/dev/shm".utf8), O_RDONLY | O_DIRECTORY) else { return }
        try? TreeRemoval.remove(Array(path.utf8.dropFirst("/dev/shm/".utf8.count)), in: parent, recursive: true)
    }

    func check() {
        do {
            var status = stat()
            guard stat("\(path)/out/file", &status) == 0, status.st_mode & 0o7777 == 0o640, status.st_nlink == 1,
                try FileTree.read("\(path)/out/file") == Array("secret".utf8),
                try FileTree.names(in: path) == ["in", "out"], try FileTree.names(in: "\(path)/out") == ["file"]
            else { fatalError("what is outside has changed") }
        } catch { fatalError("what is outside has changed: \(error)") }
    }
}
