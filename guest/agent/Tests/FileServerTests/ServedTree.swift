import AgentProtocol
import FileProtocol
import Glibc
import TreeArchive

@testable import FileServer

/// A temporary directory with a file server on it, which runs on a thread of its own, and the client's end of its pipes.
final class ServedTree: @unchecked Sendable {
    // Unchecked: a test uses it from one thread; the server's thread touches only the pipes' other ends.

    /// The directory that is the sandbox's root.
    let path: String
    /// A directory beside it, which nothing served may reach.
    let outside: String
    private let base: String
    private let requests: Int32
    private let responses: Int32
    private var decoder = FileFrameDecoder()
    private var lastID: UInt32 = 0
    private var early: [UInt32: FileResponse] = [:]

    struct Silence: Error {}

    init() throws {
        var template = Array("/tmp/file-server-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Silence() }
        base = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        path = base + "/root"
        outside = base + "/outside"
        mkdir(path, 0o755)
        mkdir(outside, 0o755)
        var (toServer, toClient): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&toServer) == 0, pipe(&toClient) == 0 else { throw Silence() }
        for end in toServer + toClient { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        requests = toServer[1]
        responses = toClient[0]
        let ends = (input: toServer[0], output: toClient[1])
        let root = try OpenFile.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
        try Self.onThread {
            let server = FileServer(root: root, input: ends.input, output: ends.output) { owner, group in
                guard let owner = owner.isEmpty ? .max : owner == "root" ? 0 : UInt32(owner),
                    let group = group.isEmpty ? .max : group == "staff" ? 50 : UInt32(group)
                else { return nil }
                return (owner, group)
            }
            try? server.serve()
            close(ends.input)
            close(ends.output)
        }
    }

    deinit {
        close(requests)
        close(responses)
        if let base = try? OpenFile.open(Array("/tmp".utf8), O_RDONLY | O_DIRECTORY) {
            let name = Array(self.base.utf8.dropFirst("/tmp/".utf8.count))
            try? TreeRemoval.remove(name, in: base, recursive: true)
        }
    }

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func onThread(_ body: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(Body(body)).toOpaque())
        guard result == 0 else { throw Silence() }
        pthread_detach(thread)
    }

    // MARK: The client

    /// Sends a request and says under which number.
    func send(_ request: FileRequest) throws -> UInt32 {
        lastID += 1
        try sendRaw(try FileFrame(id: lastID, payload: request.payload).encoded())
        return lastID
    }

    func sendRaw(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(requests, $0.baseAddress.map { $0 + done }, $0.count - done)
            }
            guard count > 0 else { throw Silence() }
            done += count
        }
    }

    /// The response to a request, within a time in milliseconds.
    func response(to id: UInt32, within patience: Int32 = 30_000) throws -> FileResponse {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let response = early.removeValue(forKey: id) { return response }
            if let frame = try decoder.next() {
                early[frame.id] = try FileResponse(frame.payload)
                continue
            }
            var waiting = pollfd(fd: responses, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, patience) == 1 else { throw Silence() }
            let count = read(responses, &buffer, buffer.count)
            guard count > 0 else { throw Silence() }
            decoder.append(buffer[..<count])
        }
    }

    /// Asks and waits for the answer; a failure is thrown.
    @discardableResult
    func ask(_ request: FileRequest) throws -> FileResponse {
        let response = try response(to: try send(request))
        if case .failed(let failure) = response { throw failure }
        return response
    }

    /// The error number with which a request fails; 0 when it does not.
    func code(_ request: FileRequest) throws -> Int32 {
        guard case .failed(let failure) = try response(to: try send(request)) else { return 0 }
        return failure.code
    }

    /// Opens something and says under which handle.
    func open(_ request: FileRequest) throws -> UInt32 {
        let id = try send(request)
        if case .failed(let failure) = try response(to: id) { throw failure }
        return id
    }

    /// All bytes of what a request opens.
    func bytes(of request: FileRequest, piece: UInt32 = 100_000) throws -> [UInt8] {
        let handle = try open(request)
        var all: [UInt8] = []
        while case .bytes(let bytes) = try ask(.nextBytes(handle, piece)), !bytes.isEmpty { all += bytes }
        try ask(.close(handle))
        return all
    }

    /// Writes through what a request opens.
    func write(_ bytes: [UInt8], to request: FileRequest, piece: Int = 100_000) throws {
        let handle = try open(request)
        for start in stride(from: 0, to: bytes.count, by: piece) {
            try ask(.write(handle, Array(bytes[start..<min(start + piece, bytes.count)])))
        }
        try ask(.finish(handle))
    }

    // MARK: Files, looked at from outside

    /// Makes a file below the root behind the server's back.
    func make(_ name: String, _ text: String = "", mode: mode_t = 0o644) throws {
        let file = Glibc.open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else { throw Silence() }
        defer { close(file) }
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    }

    /// The text of a file anywhere; `nil` when there is none.
    static func text(_ path: String) -> String? {
        guard let file = try? OpenFile.open(Array(path.utf8), O_RDONLY), let bytes = try? file.read(1 << 20, at: 0)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    func text(_ name: String) -> String? { Self.text("\(path)/\(name)") }

    func status(_ name: String) throws -> stat {
        var status = stat()
        guard lstat("\(path)/\(name)", &status) == 0 else { throw Silence() }
        return status
    }

    /// Runs shell in the base directory, where `root` and `outside` are.
    func shell(_ script: String) throws {
        let status = system("cd \(base) && { \(script)\n} >/dev/null 2>&1")
        guard status == 0 else { throw Silence() }
    }
}

func at(_ path: String) -> GuestPath { GuestPath(path) ?? .root }
