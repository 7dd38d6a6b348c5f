import FileServer
import Glibc
import GuestFiles
import LinuxSystem
import TreeArchive

/// A temporary directory, the file server of the sandbox on it, and a session with that server.
final class ServedFiles: Sendable {
    let base: String
    let root: String
    let session: FileSession

    init() throws {
        var template = Array("/tmp/guest-files-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        base = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        root = base + "/root"
        try FileTree.makeDirectory(root, mode: 0o755)
        session = FileSession(over: try PipeStream(servedBelow: root))
    }

    deinit { try? FileTree.removeTree(base) }

    /// Runs shell in the base directory and gives its output.
    @discardableResult
    func shell(_ script: String) throws -> String {
        guard let pipe = popen("cd \(base) && set -e; umask 022; { \(script)\n} 2>&1", "r") else {
            throw SystemError("popen")
        }
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
        let status = pclose(pipe)
        let text = String(decoding: output, as: UTF8.self)
        guard status == 0 else { throw SystemError("\(script): \(text)", number: EIO) }
        return text
    }

    func text(_ path: String) throws -> String {
        String(decoding: try FileTree.read("\(base)/\(path)"), as: UTF8.self)
    }
}

/// Pipes to a file server that runs on a thread, as an agent's process streams would be.
struct PipeStream: ByteStream {
    private let requests: Monitor<Descriptor?>
    private let responses: Descriptor

    init(servedBelow root: String) throws {
        signal(SIGPIPE, SIG_IGN)
        let (toServer, toClient) = (try Descriptor.pipe(), try Descriptor.pipe())
        requests = Monitor(toServer.write)
        responses = toClient.read
        let (input, output) = (toServer.read, toClient.write)
        let directory = try OpenFile.open(Array(root.utf8), O_RDONLY | O_DIRECTORY)
        try DedicatedThread.start {
            let server = FileServer(root: directory, input: input.rawValue, output: output.rawValue) { owner, group in
                (UInt32(owner) ?? .max, UInt32(group) ?? .max)
            }
            try? server.serve()
            withExtendedLifetime((input, output)) {}
        }
    }

    var received: AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { continuation in
            let responses = responses
            do {
                try DedicatedThread.start {
                    var buffer = [UInt8](repeating: 0, count: 65_536)
                    while case let count = read(responses.rawValue, &buffer, buffer.count), count > 0 {
                        continuation.yield(Array(buffer[..<count]))
                    }
                    continuation.finish()
                }
            } catch { continuation.finish(throwing: error) }
        }
    }

    func send(_ bytes: [UInt8]) async throws {
        let requests = requests
        let result = try await DedicatedThread.value { () -> Result<Void, SystemError> in
            guard let pipe = requests.look({ $0 }) else { return .failure(SystemError("write", number: EPIPE)) }
            return Result { () throws(SystemError) in try pipe.write(bytes) }
        }
        try result.get()
    }

    func finish() async { requests.change { $0 = nil } }
}
