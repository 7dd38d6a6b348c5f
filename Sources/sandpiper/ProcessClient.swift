import AgentProtocol
import Control
import ControlClient
import Glibc
import LinuxSystem

/// One process in a sandbox as this command sees it: passes stdin, stdout, stderr, signals and the terminal's size between
/// the two, until the process ends.
///
/// A loop of one thread over poll(2), which also takes the regular files and terminals that epoll refuses.
final class ProcessClient {
    /// The process's number on the control socket.
    private static let stream: UInt32 = 1
    /// How long a process may go on after SIGTERM or SIGHUP before its sandbox is ended, in nanoseconds.
    private static let grace: UInt64 = 10_000_000_000
    /// How long the agent may take to end a process whose time is over, in nanoseconds.
    private static let timeoutGrace: UInt64 = 5_000_000_000
    /// Credit is given back in portions of at least this many bytes.
    private static let creditPortion = Int(FlowWindow.initial / 4)

    private let connection: ControlConnection
    private let terminal: TerminalIO
    private let specification: ProcessSpecification
    private let signals: SignalDescriptor
    private let progress: EventDescriptor
    private let input: Descriptor
    private let outputs: [(channel: Channel, writer: OutputWriter)]
    private var timings: Timings?
    private let atEnd: () -> Void

    private var isRunning = false
    private var takesInput: Bool
    private var inputCredit = Int(FlowWindow.initial)
    private var interrupts = 0
    /// When the sandbox is ended whatever the process does, and the status of the command then.
    private var deadline: (at: UInt64, status: Int32)?
    /// The status to end with, once the outputs are written.
    private var status: Int32?

    /// A client that starts `specification` when the sandbox is ready. Made before any thread, so that signals come here.
    /// - Parameter atEnd: called when the process has ended or could not be started: hangs up.
    init(
        _ connection: ControlConnection, _ terminal: TerminalIO, _ specification: ProcessSpecification,
        signals: SignalDescriptor, timings: Timings?, atEnd: @escaping () -> Void
    ) throws {
        self.connection = connection
        self.atEnd = atEnd
        self.terminal = terminal
        self.specification = specification
        self.signals = signals
        self.timings = timings
        progress = try EventDescriptor()
        input = try Descriptor(duplicating: 0)
        takesInput = specification.takesInput
        outputs = [
            (.output, try OutputWriter(to: 1, progress: progress)),
            (.error, try OutputWriter(to: 2, progress: progress)),
        ]
    }

    /// Runs the process, and returns the exit status of this command after everything of the sandbox is removed.
    func run() throws -> Int32 {
        defer {
            terminal.restore()
            atEnd()
            timings?.mark("cleaned up")
            timings?.print()
        }
        try send(.start(stream: Self.stream, specification))
        while true {
            if let status, outputs.allSatisfy(\.writer.isDone) { return status }
            if let status = try wait() { return status }
        }
    }

    /// Waits for the next event and handles it; returns a status when nothing is left to wait for.
    private func wait() throws -> Int32? {
        let readsInput = isRunning && takesInput && inputCredit > 0 && status == nil
        var descriptors = [
            pollfd(fd: connection.socket.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: progress.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            // A negative descriptor is skipped.
            pollfd(fd: readsInput ? input.rawValue : -1, events: Int16(POLLIN), revents: 0),
        ]
        if status != nil { descriptors[0].fd = -1 }
        let now = HostClock.monotonic
        let timeout = deadline.map { $0.at > now ? Int32(clamping: ($0.at - now) / 1_000_000 + 1) : 0 } ?? -1
        guard poll(&descriptors, nfds_t(descriptors.count), timeout) >= 0 || errno == EINTR else {
            throw SystemError("wait for events")
        }
        if let deadline, HostClock.monotonic >= deadline.at { return deadline.status }
        if descriptors[1].revents != 0, let status = try handleSignal() { return status }
        if descriptors[2].revents != 0, let status = try handleProgress() { return status }
        if descriptors[0].revents != 0 { try receive() }
        if descriptors[3].revents != 0 { try passInput() }
        return nil
    }

    private func send(_ message: HostMessage) throws {
        do { try connection.send(.process(message)) } catch let error as ProtocolError {
            throw Failure("the command and its environment are too long: \(error)")
        }
    }

    // MARK: From the sandbox

    private func receive() throws {
        guard let messages = try connection.receive() else { throw ControlError.hungUp }
        for message in messages { try handle(message) }
    }

    private func handle(_ message: SupervisorMessage) throws {
        switch message {
        case .timing(let stage, let nanoseconds): timings?.mark(stage, at: nanoseconds)
        case .ready: timings?.mark("ready")
        case .failed(let reason): throw Failure(reason)
        case .notice(let line): complain(line)
        case .process(.started):
            timings?.mark("process started")
            isRunning = true
            try terminal.makeRaw()
            if specification.timeout > 0 {
                // The agent keeps the time; this holds when the guest does not answer any more.
                let time = specification.timeout &* 1_000_000 &+ Self.timeoutGrace
                deadline = (HostClock.monotonic &+ time, 124)
            }
            if specification.terminal != nil { try send(.resize(stream: Self.stream, TerminalIO.size)) }
        case .process(.data(_, let channel, let bytes)):
            timings?.markOnce("first output")
            outputs.first { $0.channel == channel }?.writer.write(bytes)
        case .process(.credit(_, let count)): inputCredit += Int(count)
        case .process(.failed(_, let failure)):
            complain(failure.detail)
            status = failure.shellCode
        case .process(.exited(_, let exit)):
            timings?.mark("process ended")
            status = exit.shellCode
        case .process, .reply: break
        }
    }

    // MARK: To the sandbox

    private func passInput() throws {
        var buffer = [UInt8](repeating: 0, count: min(FrameHeader.maximumData, inputCredit))
        // A terminal that was closed reads as an error; for the process it is the end of its input.
        let count = (try? buffer.withUnsafeMutableBytes { try input.read(into: $0) }) ?? 0
        if count == 0 {
            takesInput = false
            return try send(.end(stream: Self.stream))
        }
        inputCredit -= count
        try send(.data(stream: Self.stream, Array(buffer[..<count])))
    }

    private func handleProgress() throws -> Int32? {
        progress.reset()
        for (channel, writer) in outputs {
            if let failure = writer.failure {
                // Like a program that writes to a closed pipe.
                if failure.number == EPIPE { return 128 + SIGPIPE }
                throw failure
            }
            let written = writer.takeWritten(atLeast: Self.creditPortion)
            if written > 0, status == nil { try send(.credit(stream: Self.stream, channel, UInt32(written))) }
        }
        return nil
    }

    private func handleSignal() throws -> Int32? {
        let signal = try signals.next()
        if signal == SIGWINCH {
            if isRunning, specification.terminal != nil { try send(.resize(stream: Self.stream, TerminalIO.size)) }
            return nil
        }
        guard isRunning, status == nil else { return 128 + signal }
        try send(.signal(stream: Self.stream, UInt8(signal)))
        switch signal {
        case SIGINT, SIGQUIT:
            // A process may ignore the key; its user need not.
            interrupts += 1
            return interrupts < 3 ? nil : 128 + signal
        default:
            let end = HostClock.monotonic + Self.grace
            if deadline.map({ end < $0.at }) != false { deadline = (end, 128 + SIGKILL) }
            return nil
        }
    }
}
