import CLinux
import ForeignText
import Glibc
import LinuxSystem
import Synchronization

/// QEMU's process, with the one thread that starts it, speaks with it and sees it end.
///
/// The kernel ties the engine's life to the thread that made it, so that thread lives as long as the engine. It reads
/// the control socket and the engine's messages all the while: neither can fill up.
final class QEMUProcess: Sendable {
    /// The engine's process number.
    let pid: Int32
    /// What the engine says: the reading end of a pipe that this process fills and never waits for.
    let messages: Descriptor

    private let process: JailedProcess
    private let control: Descriptor
    private let wakeup: (read: Descriptor, write: Descriptor)
    private let state: Mutex<State>

    /// A command that waits for its answer.
    private struct Pending {
        let command: String
        /// The event without which the command is not done.
        let ending: String?
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Result<Void, EngineError>, Never>
    }

    /// Bytes on their way to the engine, and a descriptor that goes with the first of them.
    private struct Outgoing {
        var bytes: [UInt8]
        var descriptor: Descriptor?
    }

    private struct State {
        var outgoing: [Outgoing]
        var pending: [Int: Pending] = [:]
        var lastID = 0
        var shutdownReason: String?
        var exit: MachineExit?
        var waiting: [CheckedContinuation<MachineExit, Never>] = []
    }

    /// How long the engine may take to answer.
    private let patience: Duration

    private init(
        _ process: JailedProcess, control: Descriptor, messages: Descriptor, wakeup: (Descriptor, Descriptor),
        first: [QEMUCommandLine.Command], patience: Duration
    ) {
        let commands = first.flatMap { Self.message($0.0, $0.1, id: 0) }
        state = Mutex(State(outgoing: commands.isEmpty ? [] : [Outgoing(bytes: commands)]))
        self.patience = patience
        self.process = process
        pid = process.pid
        self.control = control
        self.messages = messages
        self.wakeup = wakeup
    }

    /// Starts the engine on a thread of its own.
    /// - Parameters:
    ///   - control: the host's end of the control socket.
    ///   - messages: the reading end of the pipe that is the engine's standard error.
    ///   - first: commands that it is told at once; it is killed when it refuses one.
    ///   - patience: how long it may take to answer a command.
    static func start(
        _ jail: EngineJail, control: Descriptor, messages: Descriptor, first: [QEMUCommandLine.Command],
        patience: Duration = .seconds(10)
    ) async throws(EngineError) -> (QEMUProcess, Walls) {
        let handover = Handover(jail)
        let result = await withCheckedContinuation { continuation in
            do throws(SystemError) {
                try DedicatedThread.start {
                    let started = Result { () throws(EngineError) in
                        try launch(handover.take(), control, messages, first, patience)
                    }
                    continuation.resume(returning: started.map { ($0.0, $0.1) })
                    if case .success(let (process, _, loop)) = started { loop.run(process) }
                }
            } catch { continuation.resume(returning: .failure(EngineError.prepare("the engine's thread", error))) }
        }
        return try result.get()
    }

    /// Gives a jail to the engine's thread, which lives as long as the engine: the descriptors in the jail must not, or the
    /// end of the engine's could not be seen.
    private final class Handover: Sendable {
        private let jail: Mutex<EngineJail?>

        init(_ jail: EngineJail) { self.jail = Mutex(jail) }

        func take() -> EngineJail? { jail.withLock { $0.take() } }
    }

    private static func launch(
        _ jail: consuming EngineJail?, _ control: Descriptor, _ messages: Descriptor,
        _ first: [QEMUCommandLine.Command],
        _ patience: Duration
    ) throws(EngineError) -> (QEMUProcess, Walls, Loop) {
        do {
            let forwarded = try Descriptor.pipe()
            let wakeup = try Descriptor.pipe()
            for descriptor in [control, messages, forwarded.write, wakeup.read, wakeup.write] {
                try descriptor.setNonblocking(true)
            }
            guard let (process, walls) = try jail?.start() else { throw EngineError.ended }
            let engine = QEMUProcess(
                process, control: control, messages: forwarded.read, wakeup: wakeup, first: first,
                patience: patience)
            return (engine, walls, Loop(messages: messages, forwarded: forwarded.write))
        } catch {
            throw error as? EngineError
                ?? .prepare("the engine's channels", error as? SystemError ?? SystemError("prepare"))
        }
    }

    /// Has the engine carry out a command, and waits until it says that it has.
    /// - Parameters:
    ///   - arguments: a JSON object.
    ///   - descriptor: one that the command speaks of.
    ///   - ending: the event that tells of the work's end, for a command that only begins it.
    func execute(
        _ command: String, _ arguments: String = "{}", passing descriptor: Descriptor? = nil,
        until ending: String? = nil
    ) async throws(EngineError) {
        let result = await withCheckedContinuation { continuation in
            let pending = Pending(
                command: command, ending: ending, deadline: .now + patience * (ending == nil ? 1 : 6),
                continuation: continuation)
            submit(pending) { number in
                Outgoing(bytes: Self.message(command, arguments, id: number), descriptor: descriptor)
            }
        }
        try result.get()
    }

    /// A command as it goes over the control socket.
    private static func message(_ command: String, _ arguments: String, id: Int) -> [UInt8] {
        Array((#"{"execute":"\#(command)","arguments":\#(arguments),"id":\#(id)}"# + "\n").utf8)
    }

    /// Queues a command that waits for its answer.
    private func submit(_ pending: Pending, _ message: (Int) -> Outgoing) {
        let accepted = state.withLock { state in
            guard state.exit == nil else { return false }
            state.lastID += 1
            state.pending[state.lastID] = pending
            state.outgoing.append(message(state.lastID))
            return true
        }
        if accepted { wake() } else { pending.continuation.resume(returning: .failure(.ended)) }
    }

    /// Ends the engine at once.
    func kill() { process.send(SIGKILL) }

    /// Waits for the end of the engine.
    func waitForExit() async -> MachineExit {
        await withCheckedContinuation { continuation in
            let exit = state.withLock { state in
                if state.exit == nil { state.waiting.append(continuation) }
                return state.exit
            }
            if let exit { continuation.resume(returning: exit) }
        }
    }

    private func wake() {
        // A full pipe wakes the thread just as well.
        var byte: UInt8 = 0
        _ = write(wakeup.write.rawValue, &byte, 1)
    }
}

extension QEMUProcess {
    /// What the engine's thread does from the start of the engine to its end.
    private struct Loop {
        let messages: Descriptor
        let forwarded: Descriptor
        var lines = QMPLineReader()
        var tail: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)

        init(messages: Descriptor, forwarded: Descriptor) {
            self.messages = messages
            self.forwarded = forwarded
        }

        /// Works until the engine has ended.
        consuming func run(_ engine: QEMUProcess) {
            var loop = self
            var controlOpen = true
            var messagesOpen = true
            let opens = engine.process.answeredOpens
            while true {
                let listener = opens?.listener
                let writing = engine.state.withLock { !$0.outgoing.isEmpty }
                var wait = [
                    pollfd(fd: engine.process.pidfd.rawValue, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: engine.wakeup.read.rawValue, events: Int16(POLLIN), revents: 0),
                    pollfd(
                        fd: controlOpen ? engine.control.rawValue : -1,
                        events: Int16(writing ? POLLIN | POLLOUT : POLLIN), revents: 0),
                    pollfd(fd: messagesOpen ? loop.messages.rawValue : -1, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: listener?.rawValue ?? -1, events: Int16(POLLIN), revents: 0),
                ]
                _ = poll(&wait, nfds_t(wait.count), engine.millisecondsToDeadline())
                if wait[4].revents != 0 { loop.answer(opens, waits: wait[4].revents & Int16(POLLIN) != 0, engine) }
                if wait[1].revents != 0 { _ = loop.read(engine.wakeup.read) }
                if wait[2].revents != 0 { controlOpen = loop.serveControl(engine) }
                if wait[3].revents != 0 { messagesOpen = loop.takeMessages() }
                engine.failOverdue()
                if wait[0].revents != 0 { break }
            }
            // What it said last is still in the socket and the pipe, whose sizes bound this.
            for _ in 0..<64 where loop.takeMessages() {}
            for _ in 0..<64 where loop.serveControl(engine) {}
            engine.finish(lastMessages: loop.text())
        }

        /// What is there to read; empty for nothing now, `nil` at the end.
        private mutating func read(_ descriptor: Descriptor) -> ArraySlice<UInt8>? {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor.rawValue, $0.baseAddress, $0.count) }
            if count > 0 { return buffer[..<count] }
            return count < 0 && (errno == EAGAIN || errno == EINTR) ? [] : nil
        }

        /// Sends what waits and takes what has come; whether the channel is still of use.
        private mutating func serveControl(_ engine: QEMUProcess) -> Bool {
            engine.sendOutgoing()
            guard let bytes = read(engine.control) else { return false }
            let commands = engine.state.withLock { $0.lastID }
            guard let complete = lines.lines(bytes, commands: commands) else {
                return stop(engine, "broke the control protocol")
            }
            for line in complete {
                switch QMPMessage(line) {
                case nil: return stop(engine, "broke the control protocol")
                case .failed(0, let reason): return stop(engine, "refused to start the machine (\(reason))")
                case let message?: engine.handle(message)
                }
            }
            return true
        }

        private mutating func stop(_ engine: QEMUProcess, _ reason: String) -> Bool {
            tail += Array("\nthe engine \(reason) and was killed\n".utf8)
            engine.kill()
            return false
        }

        /// Gives the engine its memory.
        private mutating func answer(_ opens: AnsweredOpens?, waits: Bool, _ engine: QEMUProcess) {
            guard waits else { return opens?.end() ?? () }
            do { try opens?.answer() } catch {
                tail += Array("\nthe engine cannot be given its memory: \(error); this needs Linux 5.9\n".utf8)
                engine.kill()
            }
        }

        private mutating func takeMessages() -> Bool {
            guard let bytes = read(messages) else { return false }
            tail = (tail + bytes).suffix(4096)
            // Where nobody reads it is lost.
            _ = bytes.withUnsafeBytes { write(forwarded.rawValue, $0.baseAddress, $0.count) }
            return true
        }

        /// The last messages without anything that a terminal would obey.
        private func text() -> String {
            String(decoding: tail, as: UTF8.self).printable
        }
    }

    /// Takes one message from the engine.
    private func handle(_ message: QMPMessage) {
        switch message {
        case .greeting: break
        case .done(let id):
            // It obeys when it has made the machine: it has its memory.
            process.answeredOpens?.end()
            if state.withLock({ $0.pending[id]?.ending == nil }) { answer(id) { _ in .success(()) } }
        case .failed(let id, let reason):
            answer(id) { .failure(.control(command: $0, reason: "it says '\(reason)'")) }
        case .event("SHUTDOWN", let reason): state.withLock { $0.shutdownReason = reason }
        case .event("MIGRATION", "completed"): end("MIGRATION") { _ in .success(()) }
        case .event("MIGRATION", "failed"):
            end("MIGRATION") { .failure(.control(command: $0, reason: "the state could not be written")) }
        case .event("GUEST_PANICKED", _): state.withLock { $0.shutdownReason = "guest-panic" }
        case .event: break
        }
    }

    private func answer(_ id: Int, _ result: (String) -> Result<Void, EngineError>) {
        guard let pending = state.withLock({ $0.pending.removeValue(forKey: id) }) else { return }
        pending.continuation.resume(returning: result(pending.command))
    }

    /// Answers the command whose work an event has ended.
    private func end(_ event: String, _ result: (String) -> Result<Void, EngineError>) {
        if let id = state.withLock({ $0.pending.first { $0.value.ending == event }?.key }) { answer(id, result) }
    }

    private func sendOutgoing() {
        state.withLock { state in
            while let first = state.outgoing.first {
                let count = first.bytes.withUnsafeBytes {
                    linux_send(control.rawValue, $0.baseAddress, $0.count, first.descriptor?.rawValue ?? -1)
                }
                guard count > 0 else { return }
                if count == first.bytes.count {
                    state.outgoing.removeFirst()
                } else {
                    state.outgoing[0] = Outgoing(bytes: Array(first.bytes.dropFirst(count)))
                }
            }
        }
    }

    private func millisecondsToDeadline() -> Int32 {
        guard let next = state.withLock({ $0.pending.values.map(\.deadline).min() }) else { return -1 }
        let rest = next - .now
        return rest < .zero ? 0 : Int32(rest.components.seconds) * 1000 + 1000
    }

    private func failOverdue() {
        let overdue = state.withLock { state in
            let late = state.pending.filter { $0.value.deadline <= .now }
            for id in late.keys { state.pending[id] = nil }
            return late.values
        }
        for pending in overdue {
            let reason = "no answer within \(patience.components.seconds) seconds"
            pending.continuation.resume(returning: .failure(.control(command: pending.command, reason: reason)))
        }
    }

    private func finish(lastMessages: String) {
        let end = try? process.reap()
        let (exit, waiting, pending) = state.withLock { state in
            let exit = MachineExit(cause: Self.cause(end, state.shutdownReason), lastMessages: lastMessages)
            state.exit = exit
            defer { (state.waiting, state.pending) = ([], [:]) }
            return (exit, state.waiting, state.pending.values)
        }
        for continuation in waiting { continuation.resume(returning: exit) }
        for pending in pending { pending.continuation.resume(returning: .failure(.ended)) }
    }

    private static func cause(_ end: JailedProcess.Exit?, _ reason: String?) -> MachineExit.Cause {
        switch (end, reason) {
        case (.signal(let signal), _): .signal(signal)
        case (.code(0), "guest-panic"): .guestPanic
        case (.code(0), "guest-shutdown"), (.code(0), "guest-reset"): .guestShutdown
        case (.code(0), "host-qmp-quit"): .stopped
        case (.code(0), "host-signal"): .signal(SIGTERM)
        case (.code(let code), _): .failure(code: code)
        case (nil, _): .failure(code: -1)
        }
    }
}
