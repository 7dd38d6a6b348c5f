import ArgumentParser
import ControlClient
import FileProtocol
import Glibc
import GuestFiles
import LinuxSystem
import SandboxState

/// `sandpiper cp`: files and trees between the host and a sandbox.
struct Copy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp", abstract: "Copy files and trees between the host and a running sandbox.",
        usage:
            "sandpiper cp [<options>] <sandbox>:<path> <path|->\n       sandpiper cp [<options>] <path|-> <sandbox>:<path>",
        discussion: """
            Directories are copied whole, modes and times are kept. A source that ends in '/.' means a directory's content; \
            '-' is a tar archive on stdin or stdout.
            """)

    @Flag(name: [.customShort("L"), .long], help: "Follow a link that the source is.") var followLink = false
    @Flag(name: .shortAndLong, help: "Keep the owners' numbers too.") var archive = false
    @Option(name: .shortAndLong, help: "The user of the sandbox whose rights apply.") var user = ""
    @Argument(help: "What to copy.") var source: String
    @Argument(help: "Where to.") var target: String

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let (from, to) = (Place(source), Place(target))
        switch (from, to) {
        case (.host(let path), .sandbox(let name, let target)):
            try withFiles(of: name) { files in
                if path == "-" {
                    let directory = try GuestPath(checking: target)
                    try await files.writeArchive(into: directory, StandardInput(), .init(keepsOwners: archive))
                } else {
                    try await files.copy(
                        fromHost: path, to: target, followsLinks: followLink, keepsOwners: archive)
                }
            }
        case (.sandbox(let name, let path), .host(let target)):
            try withFiles(of: name) { files in
                if target == "-" {
                    let output = try Descriptor(duplicating: 1)
                    for try await piece in files.readArchive(try GuestPath(checking: path)) {
                        try await DedicatedThread.value { Result { try output.write(piece) } }.get()
                    }
                } else {
                    let notices = try await files.copy(
                        toHost: target, from: path, followsLinks: followLink, .init(keepsOwners: archive))
                    for notice in notices { complain(notice) }
                }
            }
        default: throw Failure("cp: name one path of a sandbox, as SANDBOX:PATH, and one of the host")
        }
    }

    /// A path of the host or of a sandbox.
    private enum Place {
        case host(String)
        case sandbox(String, String)

        /// As with `docker cp`, a path of the host that holds a colon is written with a slash before it.
        init(_ text: String) {
            guard let colon = text.firstIndex(of: ":"), colon != text.startIndex,
                !text[..<colon].contains("/"), !text.hasPrefix(".")
            else {
                self = .host(text)
                return
            }
            self = .sandbox(String(text[..<colon]), String(text[text.index(after: colon)...]))
        }
    }

    /// Runs `body` with the files of a sandbox, and waits for its end.
    private func withFiles(
        of name: String, _ body: @escaping @Sendable (FileSession) async throws -> Void
    ) throws {
        let directory = try SandboxDirectory.find(name, in: try Home.current())
        let connection = try ControlConnection(waking: directory)
        let channel = try FileChannel(connection, user: user)
        let result = Monitor<Result<Void, any Error>?>(nil)
        Task {
            let files = FileSession(over: channel)
            do {
                try await body(files)
                await files.close()
                result.change { $0 = .success(()) }
            } catch { result.change { $0 = .failure(error) } }
        }
        defer { connection.close() }
        do { try result.wait { $0 }.get() } catch let error as GuestFilesError { throw Failure("cp: \(error)") }
    }

    /// Stdin in pieces, read on threads that may block.
    private struct StandardInput: AsyncSequence, AsyncIteratorProtocol, Sendable {
        func makeAsyncIterator() -> StandardInput { self }

        func next() async throws -> [UInt8]? {
            let bytes = try await DedicatedThread.value {
                Result { () throws(SystemError) in
                    var buffer = [UInt8](repeating: 0, count: 65_536)
                    let input = try Descriptor(duplicating: 0)
                    let read = buffer.withUnsafeMutableBytes { buffer in
                        Result { () throws(SystemError) in try input.read(into: buffer) }
                    }
                    return Array(buffer[..<(try read.get())])
                }
            }.get()
            return bytes.isEmpty ? nil : bytes
        }
    }
}
