import GuestFiles

/// The bytes to and from a file server in a sandbox.
struct FileStream: ByteStream {
    let process: ProcessStream

    var received: Pieces { Pieces(process: process) }

    struct Pieces: AsyncSequence, Sendable {
        fileprivate let process: ProcessStream

        struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate let process: ProcessStream

            func next() async throws -> [UInt8]? { try await process.state.output.next() }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(process: process) }
    }

    func send(_ bytes: [UInt8]) async throws { try await process.write(bytes) }

    func finish() async { process.closeInput() }
}

/// A conversation with the file server of a sandbox.
final class FileConversation: Sendable {
    let session: FileSession
    private let process: ProcessStream

    /// Starts a file server as a user of the sandbox.
    init(_ user: String, on connection: Connection) async throws {
        process = try ProcessStream(.files(user: user), on: connection)
        _ = try await process.state.started.value
        // It has nothing to say there, and must not be held up by it.
        process.state.error.discard()
        session = FileSession(over: FileStream(process: process))
    }

    /// Whether the server has not ended.
    var isOpen: Bool { process.state.exit.settled == nil }
}
