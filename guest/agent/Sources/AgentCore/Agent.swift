import AgentProtocol
import CAgent
import Glibc

/// The first process of the guest: boots, is configured once, serves the host until it says otherwise.
public final class Agent {
    private enum State {
        case waiting
        case refused
        case serving(ProcessTable, RootFileSystem)
    }

    private let loop: EventLoop
    private let port: HostPort
    private let reaper: Reaper
    private let machine: PreparedMachine
    private var state = State.waiting
    private var shutdown: Shutdown?
    private var tellsStopped = false

    /// Runs as the machine's first process. Whatever goes wrong ends in one line on the console and a machine that is
    /// turned off.
    public static func main() -> Never {
        do throws(AgentError) {
            signal(SIGPIPE, SIG_IGN)
            try Boot.mountKernelFileSystems()
            let port = try Boot.openPort(named: "agent")
            var machine = try PreparedMachine()
            Rehearsal.prepareTypes()
            // A sandbox has a disk that was used before, or the fresh one; so do the rehearsals.
            try Rehearsal.play(port, machine)
            try machine.prepareFreshDisk()
            try Rehearsal.play(port, machine)
            try machine.prepareFreshDisk()
            try Agent(port, machine).serve()
        } catch {
            logLine("\(error)")
        }
        sync()
        agent_restart()
        exit(1)
    }

    /// - Parameters:
    ///   - port: the stream to the host.
    ///   - machine: what the machine has.
    init(_ port: Descriptor, _ machine: PreparedMachine) throws(AgentError) {
        loop = try EventLoop()
        reaper = try Reaper(loop: loop)
        self.port = try HostPort(port, loop: loop)
        self.machine = machine
        self.port.send(.ready(version: ProtocolVersion.current))
    }

    /// Serves until the machine is to be turned off, then brings it to rest.
    func serve() throws(AgentError) {
        while true {
            port.flush()
            if let shutdown, shutdown.isDone { break }
            try loop.turn(mayWait: !hasWork)
            receive()
            reap()
            if case .serving(let processes, _) = state { processes.turn() }
            if port.isLost && !port.hasInput { beginShutdown(tellsStopped: false) }
        }
        try rest()
    }

    private var hasWork: Bool {
        if port.hasInput || reaper.hasWork { return true }
        if case .serving(let processes, _) = state { return processes.hasWork }
        return false
    }

    private func receive() {
        guard port.hasInput else { return }
        do throws(AgentError) {
            try port.receive { message throws(AgentError) in try handle(message) }
        } catch {
            logLine("\(error)")
            port.close()
            beginShutdown(tellsStopped: false)
        }
    }

    private func reap() {
        guard reaper.hasWork else { return }
        let processes: ProcessTable?
        if case .serving(let table, _) = state { processes = table } else { processes = nil }
        let areLeft = reaper.collect { pid, cause in processes?.reaped(pid, cause) }
        processes?.sweep()
        if !areLeft { shutdown?.allAreGone() }
    }

    // MARK: Messages

    private func handle(_ message: HostMessage) throws(AgentError) {
        switch (message, state) {
        case (.configure(let configuration), .waiting): configure(configuration)
        case (.shutdown(let grace), _): beginShutdown(tellsStopped: true, grace: UInt64(grace))
        case (.measure, .serving): port.send(.measured(Measurement.take()))
        case (.setClock(let time), .serving): try Identity.setClock(time)
        case (.freeze(let writesDisk), .serving(_, let root)) where !port.isSilent:
            if writesDisk { try root.synchronize() }
            port.fallSilent(.frozen)
        case (.thaw(let thawing), .serving(_, let root)) where port.isSilent: thaw(thawing, root.root)
        case (.start(let stream, let specification), .serving(let processes, _)):
            processes.start(specification, as: stream)
        case (.data(let stream, let bytes), .serving(let processes, _)):
            try processes.receive(bytes, for: stream)
        case (.end(let stream), .serving(let processes, _)): processes.endInput(of: stream)
        case (.credit(let stream, let channel, let count), .serving(let processes, _)):
            try processes.grant(count, to: channel, of: stream)
        case (.signal(let stream, let signal), .serving(let processes, _)): processes.signal(signal, to: stream)
        case (.resize(let stream, let size), .serving(let processes, _)): processes.resize(stream, to: size)
        default: throw .hostMisbehaved("a message that has no place here")
        }
    }

    private func configure(_ configuration: MachineConfiguration) {
        do throws(AgentError) {
            let setup = try MachineSetup(configuration, on: machine)
            if machine.isRehearsing { try Rehearsal.install(on: setup.rootFileSystem) }
            state = .serving(
                ProcessTable(loop: loop, port: port, surroundings: setup.surroundings), setup.rootFileSystem)
            port.send(.configured(setup.confirmation))
            port.flush()
            // While the host looks at that: every process that starts needs them, and their disk is slow the first time.
            _ = try? setup.surroundings.users()
        } catch {
            logLine("\(error)")
            state = .refused
            port.send(.refused("\(error)"))
        }
    }

    private func thaw(_ thawing: Thawing, _ root: RootDirectory) {
        do throws(AgentError) {
            // What is mounted over its files is not the machine's own, and may be served by this process.
            let own = try root.withoutMounts()
            let identity = try Identity(thawing, machine, in: own)
            // The authority may have been renewed since, or be another home's.
            if let trust = thawing.configuration.trust { try TrustStore(trust: trust, root: own).install() }
            if thawing.isElsewhere { try Identity.resetConnections() }
            port.speak(.thawed(try identity.confirmation(own)))
        } catch {
            logLine("\(error)")
            port.speak(.refused("\(error)"))
        }
    }

    // MARK: The end

    private func beginShutdown(tellsStopped: Bool, grace: UInt64 = 2_000) {
        var mounts: MountTable?
        if case .serving(let processes, _) = state {
            processes.isClosing = true
            mounts = processes.mounts
        }
        // Nobody answers any more, and who waits for an answer cannot be killed.
        if port.isLost { mounts?.cutOffAll() }
        guard shutdown == nil else { return }
        self.tellsStopped = tellsStopped
        shutdown = Shutdown(loop: loop, grace: grace, mounts: mounts)
        reaper.check()
    }

    /// Writes everything to disk, unmounts it, and tells the host.
    private func rest() throws(AgentError) {
        if case .serving(let processes, let root) = state {
            // From here on nobody carries requests to the host.
            processes.mounts.cutOffAll()
            try root.unmount()
        }
        guard tellsStopped else { return }
        port.send(.stopped)
        // The device may take the last bytes only after this. The host closes the port when it has them; a host that
        // does not gets a moment, and no more.
        var isOver = false
        loop.after(milliseconds: 20) { isOver = true }
        while !isOver && !port.isLost {
            port.flush()
            try loop.turn(mayWait: true)
        }
    }
}
