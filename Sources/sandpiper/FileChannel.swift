import AgentProtocol
import Control
import ControlClient
import GuestFiles
import LinuxSystem

/// The bytes to and from a file server in a sandbox, over a connection that nobody else uses.
///
/// A thread of its own reads the connection; sending waits for the server's credit on another.
final class FileChannel: ByteStream {
    private static let stream: UInt32 = 1

    private struct State {
        var isStarted = false
        var credit = Int(FlowWindow.initial)
        var failure: String?
    }

    private let connection: ControlConnection
    private let state = Monitor(State())
    private let pieces: AsyncThrowingStream<[UInt8], any Error>

    /// Starts a file server as a user of the sandbox.
    init(_ connection: ControlConnection, user: String) throws {
        self.connection = connection
        let (pieces, queue) = AsyncThrowingStream.makeStream(of: [UInt8].self, throwing: (any Error).self)
        self.pieces = pieces
        try connection.send(.process(.start(stream: Self.stream, .files(user: user))))
        try DedicatedThread.start { [connection, state] in
            do { try Self.receive(connection, state, queue) } catch {
                state.change { $0.failure = "\(error)" }
                queue.finish(throwing: error)
            }
        }
    }

    /// What comes from the server; its credit is given back as the pieces are taken.
    var received: Pieces { Pieces(connection: connection, pieces: pieces) }

    struct Pieces: AsyncSequence, Sendable {
        fileprivate let connection: ControlConnection
        fileprivate let pieces: AsyncThrowingStream<[UInt8], any Error>

        struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate let connection: ControlConnection
            fileprivate var pieces: AsyncThrowingStream<[UInt8], any Error>.Iterator

            mutating func next() async throws -> [UInt8]? {
                guard let piece = try await pieces.next() else { return nil }
                try connection.send(.process(.credit(stream: FileChannel.stream, .output, UInt32(piece.count))))
                return piece
            }
        }

        func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(connection: connection, pieces: pieces.makeAsyncIterator())
        }
    }

    func send(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let wanted = min(rest.count, FrameHeader.maximumData)
            let granted = try await DedicatedThread.value { [state] in
                state.wait { (state: inout State) -> Result<Int, Failure>? in
                    if let failure = state.failure { return .failure(Failure(failure)) }
                    guard state.isStarted, state.credit > 0 else { return nil }
                    let count = min(wanted, state.credit)
                    state.credit -= count
                    return .success(count)
                }
            }.get()
            try connection.send(.process(.data(stream: Self.stream, Array(rest.prefix(granted)))))
            rest = rest.dropFirst(granted)
        }
    }

    func finish() async { try? connection.send(.process(.end(stream: Self.stream))) }

    private static func receive(
        _ connection: ControlConnection, _ state: Monitor<State>,
        _ queue: AsyncThrowingStream<[UInt8], any Error>.Continuation
    ) throws {
        while let messages = try connection.receive() {
            for message in messages {
                switch message {
                case .process(.started): state.change { $0.isStarted = true }
                case .process(.data(_, .output, let bytes)): queue.yield(bytes)
                case .process(.credit(_, let count)): state.change { $0.credit += Int(count) }
                case .process(.failed(_, let failure)): throw Failure(failure.detail)
                case .process(.exited):
                    state.change { $0.failure = "the sandbox's file server has ended" }
                    return queue.finish()
                case .failed(let reason): throw ControlError.failed(reason)
                default: break
                }
            }
        }
        throw ControlError.hungUp
    }
}
