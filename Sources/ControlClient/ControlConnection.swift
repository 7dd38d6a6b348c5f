import AgentProtocol
import Control
import Glibc
import LinuxSystem
import SandboxState
import Synchronization

/// A connection to the supervisor of one sandbox, for code that may block.
public final class ControlConnection: Sendable {
    /// The connected socket.
    public let socket: Descriptor

    private struct State {
        var decoder = FrameDecoder()
        var lastRequest: UInt32 = 0
    }

    private let state = Mutex(State())
    /// Frames of several threads follow one another.
    private let sending = Mutex(())

    /// Speaks over a connected stream socket.
    public init(_ socket: Descriptor) { self.socket = socket }

    /// Connects to the supervisor of a running sandbox.
    /// - Throws: ``ControlError/notRunning(_:_:)``, `SystemError`.
    public convenience init(to directory: SandboxDirectory) throws {
        self.init(try Self.connect(to: directory))
    }

    private static func connect(to directory: SandboxDirectory) throws -> Descriptor {
        do {
            let place = try Descriptor(opening: directory.socketDirectory, O_RDONLY | O_DIRECTORY)
            return try UnixSocket.connect(SandboxDirectory.controlSocketName, in: place)
        } catch {
            guard error.number == ENOENT || error.number == ECONNREFUSED else { throw error }
            throw ControlError.notRunning("\(directory.id)", directory.currentLife())
        }
    }

    /// Connects to the supervisor of a running sandbox, or of one that goes on when somebody wants something of it; that is
    /// let go on first.
    /// - Throws: as ``init(to:)``, and what keeps it from going on.
    public convenience init(waking directory: SandboxDirectory) throws {
        self.init(try Self.wake(directory))
    }

    /// How long others may take to put a sandbox to sleep or to wake it, in nanoseconds.
    private static let patience: UInt64 = 60_000_000_000

    private static func wake(_ directory: SandboxDirectory) throws -> Descriptor {
        let deadline = HostClock.monotonic + patience
        while true {
            do { return try connect(to: directory) } catch ControlError.notRunning(let id, let life) {
                let isAsleep = life.status == .paused && life.resumesOnRequest == true
                // One that is being woken by another is neither asleep nor there yet.
                guard isAsleep || life.status == .starting, HostClock.monotonic < deadline else {
                    throw ControlError.notRunning(id, life)
                }
                do {
                    guard isAsleep else { throw StateError.isOwned(directory.id) }
                    let supervisor = try SupervisorProcess(starting: directory, try Installation())
                    try supervisor.connection.waitUntilReady()
                } catch StateError.isOwned {
                    try waitForChange(of: directory)
                }
            }
        }
    }

    /// Waits until the sandbox's owner has begun to listen, or is gone.
    private static func waitForChange(of directory: SandboxDirectory) throws {
        let changes = try InotifyDescriptor()
        for path in [directory.path, directory.socketDirectory] { try? changes.watch(path, [.names, .removal]) }
        let watch = SandboxWatch(directory)
        var wait = [
            pollfd(fd: changes.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: watch?.supervisor.rawValue ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        // What has changed before it was watched is seen at the next look.
        _ = poll(&wait, 2, 100)
    }

    /// Sends a message. When the supervisor has ended, its last words are still to be read, and nothing is thrown.
    /// - Throws: `ProtocolError` when the message is too long, `SystemError`.
    public func send(_ message: ClientMessage) throws {
        let bytes = try message.frame().encoded
        do { try sending.withLock { _ in try socket.write(bytes) } } catch let error as SystemError
            where error.number == EPIPE
        {}
    }

    /// Waits for bytes and returns the messages they complete; `nil` when the supervisor has hung up.
    /// - Throws: `ProtocolError`, `SystemError`.
    public func receive() throws -> [SupervisorMessage]? {
        var buffer = [UInt8](repeating: 0, count: 262_144)
        // One that ended before it had read all that was sent resets the connection.
        let count: Int
        do { count = try buffer.withUnsafeMutableBytes { try socket.read(into: $0) } } catch let error as SystemError
            where error.number == ECONNRESET
        { return nil }
        guard count > 0 else { return nil }
        return try state.withLock { state in
            state.decoder.append(buffer[..<count])
            var messages: [SupervisorMessage] = []
            while let frame = try state.decoder.next() { messages.append(try SupervisorMessage(frame)) }
            return messages
        }
    }

    /// Waits until processes can be started.
    /// - Parameter observe: hears of every message that comes before.
    /// - Throws: ``ControlError/failed(_:)`` with the supervisor's reason when there is no sandbox.
    public func waitUntilReady(_ observe: (SupervisorMessage) -> Void = { _ in }) throws {
        while let messages = try receive() {
            for message in messages {
                observe(message)
                switch message {
                case .ready: return
                case .failed(let reason): throw ControlError.failed(reason)
                default: break
                }
            }
        }
        throw ControlError.hungUp
    }

    /// Asks for something and waits for the answer; to be used while nothing else is received.
    /// - Throws: ``ControlError``.
    public func request(_ request: ControlRequest) throws -> ControlReply {
        let number = state.withLock { state in
            state.lastRequest &+= 1
            return state.lastRequest
        }
        try send(.request(number, request))
        while let messages = try receive() {
            for message in messages {
                switch message {
                case .reply(number, .failed(let reason)): throw ControlError.failed(reason)
                case .reply(number, let reply): return reply
                case .failed(let reason): throw ControlError.failed(reason)
                default: break
                }
            }
        }
        throw ControlError.hungUp
    }

    /// Waits until the supervisor has hung up, which it does when it ends.
    public func waitForEnd() throws { while try receive() != nil {} }

    /// Hangs up; what waits for messages finds the end.
    public func close() { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }
}

/// Why a supervisor could not be talked to, or did not do what it was asked.
public enum ControlError: Error, CustomStringConvertible, Sendable {
    /// The sandbox has no machine.
    case notRunning(String, SandboxLife)
    /// The supervisor's own words.
    case failed(String)
    /// The supervisor ended unexpectedly.
    case hungUp

    /// One or two lines for a person.
    public var description: String {
        switch self {
        case .notRunning(let id, let life):
            "sandbox \(id) is not running (\(life.status.rawValue)\(life.reason.map { ": " + $0 } ?? "")); "
                + (life.status == .paused ? "'sandpiper resume' lets it go on" : "'sandpiper start' starts it")
        case .failed(let reason): reason
        case .hungUp: "the sandbox's supervisor ended unexpectedly"
        }
    }
}
