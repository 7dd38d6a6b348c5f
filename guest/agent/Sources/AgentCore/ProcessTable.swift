import AgentProtocol
import CAgent
import Glibc

/// All processes that the host started, and what goes on between them and the host.
final class ProcessTable {
    /// What every process of this sandbox shares.
    struct Surroundings {
        /// `NAME=VALUE` pairs of the machine.
        var environment: [String]
        /// Limits that a process has unless it asks for others.
        var limits: [ProcessSpecification.ResourceLimit]
        /// The root of the sandbox's devpts.
        var terminals: Descriptor
        /// `/dev/null`, open for both ways.
        var null: Descriptor
        /// `nil` where there are no control groups.
        var controlGroups: ControlGroups?
        /// Reads the user database as it is now.
        var users: () throws(AgentError) -> UserDatabase
    }

    private let loop: EventLoop
    private let port: HostPort
    private let surroundings: Surroundings
    private let outputs: OutputScheduler
    private let discarded: DiscardedOutput
    /// The file systems that the host serves.
    let mounts: MountTable
    private var streams: [UInt32: RunningProcess] = [:]
    private var processes: [pid_t: RunningProcess] = [:]

    /// Whether new processes are refused because the machine is going down.
    var isClosing = false

    init(loop: EventLoop, port: HostPort, surroundings: Surroundings) {
        self.loop = loop
        self.port = port
        self.surroundings = surroundings
        outputs = OutputScheduler(port: port)
        discarded = DiscardedOutput(loop: loop)
        mounts = MountTable(loop: loop, port: port, outputs: outputs)
    }

    /// Whether ``turn()`` could do something now.
    var hasWork: Bool { outputs.hasWork || discarded.hasWork }

    /// Whether every process's end has been told.
    var isEmpty: Bool { streams.isEmpty }

    /// Sends a round of output.
    func turn() {
        outputs.turn { [self] output in
            guard let source = output as? OutputSource else { return }
            loop.forget(source.source)
            if let process = streams[source.stream] { finishIfDrained(process) }
        }
        discarded.turn()
    }

    // MARK: Requests

    /// Starts a process; says `started` when its program runs, or `failed`.
    func start(_ specification: ProcessSpecification, as stream: UInt32) {
        do throws(StartFailure) {
            guard !isClosing else { throw StartFailure(.noResources, "the machine is shutting down") }
            guard streams[stream] == nil, !mounts.uses(stream) else {
                throw StartFailure(.badRequest, "stream \(stream) is in use")
            }
            if specification.builtin == .mount { return try mounts.start(specification, as: stream) }
            let process = try launch(specification, as: stream)
            streams[stream] = process
            processes[process.pid] = process
            if specification.timeout > 0 {
                process.deadline = loop.after(milliseconds: specification.timeout) { [weak process] in
                    process?.timeOut()
                }
            }
        } catch {
            port.send(.failed(stream: stream, error))
        }
    }

    /// Passes bytes to a process's stdin; a process that is gone needs none.
    func receive(_ bytes: [UInt8], for stream: UInt32) throws(AgentError) {
        guard let process = streams[stream] else { return mounts.receive(bytes, for: stream) }
        returnCredit(try process.input.receive(bytes), of: stream)
    }

    /// Ends a process's stdin.
    func endInput(of stream: UInt32) {
        streams[stream]?.input.end()
        mounts.cutOff(stream)
    }

    /// Lets a process send more.
    func grant(_ count: UInt32, to channel: Channel, of stream: UInt32) throws(AgentError) {
        guard let process = streams[stream] else { return mounts.grant(count, of: stream) }
        guard let source = process.outputs.first(where: { $0.channel == channel }) else { return }
        try source.grant(count)
        outputs.consider(source)
    }

    /// Sends a signal to a process's whole group.
    func signal(_ number: UInt8, to stream: UInt32) { streams[stream]?.signal(Int32(number)) }

    /// Changes the size of a process's terminal.
    func resize(_ stream: UInt32, to size: TerminalSize) {
        guard let terminal = streams[stream]?.terminal else { return }
        // A terminal that is gone has no size.
        try? Terminal.resize(terminal, to: size)
    }

    // MARK: Starting

    private func launch(_ specification: ProcessSpecification, as stream: UInt32) throws(StartFailure) -> RunningProcess
    {
        let directory = specification.workingDirectory.isEmpty ? "/" : specification.workingDirectory
        guard directory.hasPrefix("/") else {
            throw StartFailure(.badRequest, "the working directory \(directory) is not absolute")
        }
        let identity = try identity(for: specification.user)
        var environment = ProcessEnvironment(surroundings.environment, specification.environment)
        environment.setDefault("PATH", ProcessEnvironment.standardPath)
        environment.setDefault("HOME", identity.home)
        if specification.terminal != nil { environment.setDefault("TERM", "xterm") }

        let streams = try needed { () throws(AgentError) in
            try ProcessStreams(
                specification, stream: stream, owner: identity.user, null: surroundings.null,
                terminals: surroundings.terminals, loop: loop)
        }
        let leaf = try needed { () throws(AgentError) in try surroundings.controlGroups?.makeLeaf() }
        let start = ChildStart(
            arguments: specification.arguments, environment: environment, directory: directory,
            makesDirectory: specification.makesWorkingDirectory, identity: identity,
            limits: surroundings.limits + specification.resourceLimits,
            streams: streams.child, isTerminal: streams.terminal != nil, controlGroup: leaf,
            builtin: specification.builtin)
        do throws(StartFailure) {
            let (pid, report) = try start.fork()
            let process = RunningProcess(stream: stream, pid: pid, streams: streams, leaf: leaf)
            try needed { () throws(AgentError) in
                try loop.watch(report.pipe, for: .input) { [self, unowned process] _ in heard(report, from: process) }
            }
            return process
        } catch {
            if let leaf { surroundings.controlGroups?.discard(leaf) }
            throw error
        }
    }

    private func identity(for user: String) throws(StartFailure) -> UserDatabase.Identity {
        let users = try needed { () throws(AgentError) in try surroundings.users() }
        do throws(UserDatabase.LookupError) {
            return try users.identity(for: user)
        } catch .noSuchUser(let name) {
            throw StartFailure(.noSuchUser, "there is no user \(name) in a readable /etc/passwd")
        } catch .noSuchGroup(let name) {
            throw StartFailure(.noSuchGroup, "there is no group \(name) in a readable /etc/group")
        } catch {
            throw StartFailure(.noResources, "user \(user) is in more groups than a process can have")
        }
    }

    /// Turns a failure of the system into the failure to start that it is.
    private func needed<Value>(_ body: () throws(AgentError) -> Value) throws(StartFailure) -> Value {
        do throws(AgentError) { return try body() } catch { throw StartFailure(.noResources, "\(error)") }
    }

    /// The report pipe ended, because the program runs, or said why it does not.
    private func heard(_ report: StartReport, from process: RunningProcess) {
        loop.forget(report.pipe)
        if let failure = report.failure() {
            port.send(.failed(stream: process.stream, failure))
            return forget(process)
        }
        port.send(.started(stream: process.stream, pid: UInt32(clamping: process.pid)))
        let ended: ExitStatus.Cause?
        if case .starting(let cause) = process.state { ended = cause } else { ended = nil }
        process.state = .running
        watch(process)
        if let ended { drain(process, ended) }
    }

    private func watch(_ process: RunningProcess) {
        do throws(AgentError) {
            if let terminal = process.terminal {
                try loop.watch(terminal, for: [.input, .output]) { [self, unowned process] readiness in
                    if readiness != .output { becameReadable(process.outputs) }
                    if readiness.contains(.output) { returnCredit(process.input.becameWritable(), of: process.stream) }
                }
                return
            }
            for source in process.outputs {
                try loop.watch(source.source, for: .input) { [self, unowned source] _ in becameReadable([source]) }
            }
            if let input = process.input.descriptor {
                try loop.watch(input, for: .output) { [self, unowned process] _ in
                    returnCredit(process.input.becameWritable(), of: process.stream)
                }
            }
        } catch {
            // The kernel's limit on watches: the process runs but cannot be heard, so it is ended.
            logLine("\(error)")
            process.signal(SIGKILL)
        }
    }

    private func becameReadable(_ sources: [OutputSource]) {
        for source in sources {
            source.becameReadable()
            outputs.consider(source)
        }
    }

    private func returnCredit(_ count: UInt32, of stream: UInt32) {
        if count > 0 { port.send(.credit(stream: stream, count)) }
    }

    // MARK: Ending

    /// Notes that a child of the agent is gone; any child, also an orphan that was never started from here.
    func reaped(_ pid: pid_t, _ cause: ExitStatus.Cause) {
        guard let process = processes.removeValue(forKey: pid) else { return }
        if case .starting = process.state { process.state = .starting(cause) } else { drain(process, cause) }
    }

    /// Removes what ended processes left; called after a round of reaping.
    func sweep() { surroundings.controlGroups?.sweep() }

    private func drain(_ process: RunningProcess, _ cause: ExitStatus.Cause) {
        process.state = .draining(cause)
        process.input.abandon()
        for source in process.outputs where !source.hasEnded {
            source.processIsGone()
            outputs.consider(source)
        }
        finishIfDrained(process)
    }

    private func finishIfDrained(_ process: RunningProcess) {
        guard case .draining(let cause) = process.state, process.outputs.allSatisfy(\.hasEnded) else { return }
        port.send(.exited(stream: process.stream, ExitStatus(cause, timedOut: process.timedOut)))
        for source in process.outputs where source.isLeftOpen { discarded.adopt(source.source) }
        forget(process)
    }

    private func forget(_ process: RunningProcess) {
        if let deadline = process.deadline { loop.cancel(deadline) }
        if let terminal = process.terminal { loop.forget(terminal) }
        process.input.abandon()
        if let leaf = process.leaf { surroundings.controlGroups?.discard(leaf) }
        streams[process.stream] = nil
    }
}
