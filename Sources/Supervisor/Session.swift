import AgentProtocol
import Control
import LinuxSystem
import SandboxState

/// The meeting point of a sandbox's clients and its agent: frames come in from the tasks that read the sockets, and leave
/// through the queues of the tasks that write them.
actor Session {
    /// Frames on their way to one socket. What is queued is bounded by the flow control of ``StreamRouter``.
    typealias Queue = AsyncStream<Frame>.Continuation

    /// What a client, or time, wants of the machine.
    enum Order: Sendable {
        /// To be ended in good order within so many milliseconds.
        case stop(graceMilliseconds: UInt32, reason: String?)
        /// To be turned off.
        case kill
        /// The main process has ended with this status, or could not be started, and why.
        case mainEnded(Int32, reason: String?)
        /// To be frozen and ended, or to stand still in memory. Nobody asked when it was idle.
        case pause(keepsMemory: Bool, Request?)
        /// To go on.
        case resume(Request)
        /// To be written down as a snapshot, and to go on.
        case snapshot(SnapshotRequest, Request)
        /// To change its network, or to tell of it.
        case network(ControlRequest, Request)
        /// To go on, since somebody wants something of what was paused when it was idle.
        case wake
        /// To be left frozen: the last client that had processes in it has gone.
        case leave
    }

    /// Most payload bytes that clients may send before the machine is ready.
    private static let maximumEarlyBytes = 2 * FrameHeader.maximumPayload
    /// Most clients at one time.
    static let maximumClients = 1024

    /// What clients want of this machine.
    private(set) var orders: AsyncStream<Order>
    /// Whether nobody uses the sandbox; the newest value.
    private(set) var idleness: AsyncStream<Bool>
    private var giveOrder: AsyncStream<Order>.Continuation
    private var tellIdleness: AsyncStream<Bool>.Continuation

    private let directory: SandboxDirectory
    private var router = StreamRouter()
    private var jobs: JobTable
    private var mainJob: Int?
    /// Streams of clients whose processes went with the machine.
    private var lost: [(client: StreamRouter.ClientID, stream: UInt32)] = []
    private var agent: Queue?
    private var clients: [StreamRouter.ClientID: Queue] = [:]
    /// Clients whose last words are not all written yet count too.
    private var connected = 0
    private var waitingForClients: CheckedContinuation<Void, Never>?
    private var lastClient = StreamRouter.jobs
    private var early: [(client: StreamRouter.ClientID, frame: Frame)] = []
    private var earlyBytes = 0
    /// Requests that are answered when something has come of them.
    private var starting: [Int: Request] = [:]
    private var stopping: [Request] = []
    private var resuming: [Request] = []
    /// That the sandbox is to end, whatever machine it has then.
    private var demand: Order?
    private var measuring: [Request] = []

    /// A request that is still to be answered.
    struct Request: Sendable {
        let client: StreamRouter.ClientID
        let number: UInt32
    }

    /// Whether a frozen machine goes on for whoever wants something of it.
    private var isAsleep = false
    /// Whether somebody outside uses the sandbox's published ports.
    private var portsAreUsed = false
    /// Frames that wait for the agent to go on; `nil` when it is not silent.
    private var unsent: [Frame]?
    /// Waits for the agent's answer to `freeze` or `thaw`.
    private var silence: CheckedContinuation<GuestMessage, any Error>?

    /// A session without clients.
    init(_ directory: SandboxDirectory) {
        self.directory = directory
        jobs = JobTable(directory)
        (orders, giveOrder) = AsyncStream.makeStream()
        (idleness, tellIdleness) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Whether the machine is configured, the main process runs, and clients' frames reach its agent.
    private(set) var isReady = false
    /// Whether it has ever been so.
    private(set) var wasReady = false
    /// Whether the machine's agent can be spoken to.
    var isReachable: Bool { agent != nil }
    /// Whether the machine is being ended.
    private(set) var isStopping = false

    // MARK: Clients

    /// Adds a client; `nil` when there are too many.
    func connect(_ queue: Queue) -> StreamRouter.ClientID? {
        guard clients.count < Self.maximumClients else { return nil }
        lastClient += 1
        clients[lastClient] = queue
        connected += 1
        if isReady, let frame = try? SupervisorMessage.ready.frame() { queue.yield(frame) }
        noteIdleness()
        return lastClient
    }

    /// Takes note that a client is gone: its processes are killed.
    func disconnect(_ client: StreamRouter.ClientID) {
        clients.removeValue(forKey: client)?.finish()
        connected -= 1
        if connected == 0 { stopWaitingForClients() }
        early.removeAll { $0.client == client }
        earlyBytes = early.reduce(0) { $0 + $1.frame.payload.count + FrameHeader.size }
        stopping.removeAll { $0.client == client }
        resuming.removeAll { $0.client == client }
        measuring.removeAll { $0.client == client }
        starting = starting.filter { $0.value.client != client }
        perform(router.disconnect(client))
        noteIdleness()
        if agent == nil, unsent != nil, !hasClientStreams { giveOrder.yield(.leave) }
    }

    /// Takes a frame from a client.
    /// - Throws: `ProtocolError` when the client breaks the protocol.
    func receive(_ frame: Frame, from client: StreamRouter.ClientID) throws(ProtocolError) {
        switch frame.kind {
        case .request:
            guard case .request(let number, let request) = try ClientMessage(frame) else { return }
            handle(request, Request(client: client, number: number), frame)
        case _ where !isReady && unsent == nil: try keep(frame, from: client)
        case .attach:
            guard case .attach(let stream, let job) = try ClientMessage(frame) else { return }
            perform(try router.attach(client, stream: stream, to: job))
            wake()
        default:
            perform(try router.receive(frame, from: client))
            if frame.kind == .start { noteIdleness() }
            wake()
        }
    }

    private func keep(_ frame: Frame, from client: StreamRouter.ClientID) throws(ProtocolError) {
        earlyBytes += frame.payload.count + FrameHeader.size
        guard earlyBytes <= Self.maximumEarlyBytes else { throw .payloadTooLong(UInt32(clamping: earlyBytes)) }
        early.append((client, frame))
    }

    private func handle(_ request: ControlRequest, _ asker: Request, _ frame: Frame) {
        switch request {
        case .stop(let grace):
            stopping.append(asker)
            order(.stop(graceMilliseconds: grace, reason: nil))
        case .kill:
            stopping.append(asker)
            order(.kill)
        case .pause(let keepsMemory): order(.pause(keepsMemory: keepsMemory, asker))
        case .resume: order(.resume(asker))
        case .jobs: reply(asker, .jobs(jobs.records))
        case .ports: order(.network(request, asker))
        // Whoever looks at sandboxes does not want anything of them.
        case .statistics where isAsleep: reply(asker, .failed("the sandbox is paused"))
        case _ where isAsleep:
            do { try keep(frame, from: asker.client) } catch { reply(asker, .failed("\(error)")) }
            wake()
        case .snapshot(let request): order(.snapshot(request, asker))
        case .setPolicy, .publish, .withdraw: order(.network(request, asker))
        case _ where !isReady:
            do { try keep(frame, from: asker.client) } catch { reply(asker, .failed("\(error)")) }
        case .startJob(let specification):
            do { _ = try start(specification, asker) } catch {
                reply(asker, .failed("the job cannot be started: \(error)"))
            }
        case .signalJob(let job, let signal):
            let known = UInt32(exactly: job).flatMap { job in
                try? router.signal(job: job, HostMessage.signal(stream: 1, signal).frame())
            }
            guard let known, (1...64).contains(signal) else {
                return reply(asker, .failed("job \(job) is not running"))
            }
            perform(known)
            reply(asker, .done)
        case .statistics:
            measuring.append(asker)
            if measuring.count == 1, let frame = try? HostMessage.measure.frame() { toAgent(frame) }
        }
    }

    /// Answers a request.
    func reply(_ asker: Request, _ reply: ControlReply) {
        let frame = try? SupervisorMessage.reply(asker.number, reply).frame()
        // Whoever asked waits for an answer, be it that there is none.
        let tooLong = SupervisorMessage.reply(asker.number, .failed("the answer is too long for one message"))
        guard let frame = try? frame ?? tooLong.frame() else { return }
        clients[asker.client]?.yield(frame)
    }

    // MARK: Jobs

    /// Starts a job; says why when there cannot be one.
    /// - Returns: its number.
    private func start(_ specification: JobSpecification, _ asker: Request? = nil) throws -> Int {
        let number = try jobs.addBackground(specification)
        starting[number] = asker
        do {
            let start = HostMessage.start(stream: UInt32(clamping: number), specification.process())
            perform(try router.receive(try start.frame(), from: StreamRouter.jobs))
        } catch {
            jobs.ended(number, status: 125, reason: "\(error)")
            starting[number] = nil
            throw error
        }
        noteIdleness()
        return number
    }

    /// Takes a frame about one of the supervisor's own jobs.
    private func receiveJob(_ frame: Frame) {
        let number = Int(frame.stream)
        guard let message = try? GuestMessage(frame) else { return }
        switch message {
        case .started(_, let pid):
            jobs.started(number, pid: pid)
            if let asker = starting.removeValue(forKey: number), let record = jobs.record(number) {
                reply(asker, .job(record))
            }
            if number == mainJob { becomeReady() }
        case .failed(_, let failure):
            jobs.ended(number, status: failure.shellCode, reason: failure.detail)
            if let asker = starting.removeValue(forKey: number) { reply(asker, .failed(failure.detail)) }
            if number == mainJob { giveOrder.yield(.mainEnded(failure.shellCode, reason: failure.detail)) }
        case .data(_, let channel, let bytes):
            jobs.output(number, channel == .error ? .error : .output, bytes)
            let credit = HostMessage.credit(stream: frame.stream, channel, UInt32(clamping: bytes.count))
            if let frame = try? credit.frame(), let actions = try? router.receive(frame, from: StreamRouter.jobs) {
                perform(actions)
            }
        case .exited(_, let status):
            jobs.ended(number, status: status.shellCode)
            if number == mainJob { giveOrder.yield(.mainEnded(status.shellCode, reason: nil)) }
        default: break
        }
    }

    // MARK: The agent

    /// Opens the way to the agent, and starts the process that the sandbox is for. When that runs, clients are told, and
    /// what they sent meanwhile is delivered.
    func activate(_ queue: Queue, main: JobSpecification?) {
        agent = queue
        guard let main else { return becomeReady() }
        do { mainJob = try start(main) } catch { giveOrder.yield(.mainEnded(125, reason: "\(error)")) }
    }

    private func becomeReady() {
        guard !isReady else { return }
        isReady = true
        isAsleep = false
        wasReady = true
        tell(.ready)
        for asker in resuming { reply(asker, .done) }
        resuming = []
        let waiting = early
        (early, earlyBytes) = ([], 0)
        for (client, frame) in waiting {
            do { try receive(frame, from: client) } catch { clients[client]?.finish() }
        }
        noteIdleness()
    }

    /// Takes a frame from the agent.
    /// - Throws: `ProtocolError` when the guest breaks the protocol.
    func receive(_ frame: Frame) throws(ProtocolError) {
        if frame.stream == 0 { return try receiveMachine(frame) }
        perform(try router.receive(frame))
        if frame.kind == .exited || frame.kind == .failed { noteIdleness() }
    }

    private func receiveMachine(_ frame: Frame) throws(ProtocolError) {
        let message = try GuestMessage(frame)
        if isStopping, message == .stopped { return }
        switch message {
        case .frozen, .thawed, .refused:
            guard let silence else { throw .unexpected(frame.kind) }
            self.silence = nil
            return silence.resume(returning: message)
        default: break
        }
        guard case .measured(let measures) = message, !measuring.isEmpty else { throw .unexpected(frame.kind) }
        for asker in measuring { reply(asker, .statistics(HostMeasures(directory).with(measures))) }
        measuring = []
    }

    /// Gives the machine the host's wall clock.
    func setClock() {
        if let frame = try? HostMessage.setClock(HostClock.wall).frame() { toAgent(frame) }
    }

    /// Asks the agent to end all processes and turn the machine off.
    func shutDown(graceMilliseconds: UInt32) {
        guard let frame = try? HostMessage.shutdown(graceMilliseconds: graceMilliseconds).frame() else { return }
        toAgent(frame)
    }

    /// Sends a frame to the agent, or keeps it while that is silent.
    private func toAgent(_ frame: Frame) {
        if unsent == nil { agent?.yield(frame) } else { unsent?.append(frame) }
    }

    // MARK: Freezing

    /// How long an agent may take to fall silent, and to go on.
    private static let patience = Duration.seconds(30)

    /// Whether somebody waits for the frozen machine: clients with processes in it, or anybody when it goes on for them.
    func isWaitedFor(resumesOnRequest: Bool) -> Bool { hasClientStreams || resumesOnRequest && !clients.isEmpty }

    /// Whether the machine was frozen in this session.
    var isFrozen: Bool { unsent != nil }

    /// Whether clients have processes here, or hold jobs.
    var hasClientStreams: Bool { !router.clientStreams.isEmpty }

    /// Lets the frozen machine go on for whoever wants something of it, from here on.
    /// - Returns: whether somebody does already.
    func sleep() -> Bool {
        isAsleep = true
        return !clients.isEmpty
    }

    private func wake() { if isAsleep { giveOrder.yield(.wake) } }

    /// Takes note whether somebody outside uses the sandbox's published ports.
    func notePorts(areUsed: Bool) {
        portsAreUsed = areUsed
        noteIdleness()
    }

    /// Has the agent fall silent: all that it has said is here then, and what it is told is kept.
    /// - Throws: ``SupervisorError/notSilent`` when it does not; then it is as before.
    func freeze(writesDisk: Bool) async throws {
        guard isReady, unsent == nil, silence == nil else { throw SupervisorError.notSilent("it is not running") }
        let frame = try HostMessage.freeze(writesDisk: writesDisk).frame()
        unsent = []
        do {
            guard case .frozen = try await ask(frame) else { throw SupervisorError.notSilent("it refuses to") }
        } catch {
            speak()
            throw error
        }
    }

    /// Has the agent go on after ``freeze(writesDisk:)``, on the same machine.
    func thaw(_ thawing: Thawing) async throws {
        guard case .thawed(let confirmation) = try await ask(try HostMessage.thaw(thawing).frame()) else {
            throw SupervisorError.refused("it does not go on")
        }
        if let lacking = confirmation.confirms(thawing) { throw SupervisorError.refused(lacking) }
        speak()
    }

    private func ask(_ frame: Frame) async throws -> GuestMessage {
        let timer = Task {
            try await Task.sleep(for: Self.patience)
            endSilence(SupervisorError.notSilent("its agent does not answer"))
        }
        defer { timer.cancel() }
        return try await withCheckedThrowingContinuation { continuation in
            silence = continuation
            if agent?.yield(frame) == nil { endSilence(SupervisorError.notSilent("its machine has ended")) }
        }
    }

    private func endSilence(_ error: any Error) {
        silence?.resume(throwing: error)
        silence = nil
    }

    /// Sends what was kept while the agent was silent.
    private func speak() {
        let waiting = unsent ?? []
        unsent = nil
        for frame in waiting { agent?.yield(frame) }
    }

    /// What is to be kept beside the frozen machine. The agent is silent.
    var frozen: FrozenSession {
        FrozenSession(
            streams: router.frozen, mainJob: mainJob, unsent: (unsent ?? []).flatMap(\.encoded))
    }

    /// Takes note that the machine was frozen and is gone; all that is known of its processes stays.
    func machinePaused() {
        leaveAgent()
        for asker in measuring { reply(asker, .failed("the sandbox was paused")) }
        measuring = []
        isStopping = false
        renewOrders()
    }

    /// Answers a request when the machine is ready.
    func answerWhenReady(_ asker: Request) { resuming.append(asker) }

    /// Answers a request when the sandbox has ended, or is left frozen.
    func answerAtEnd(_ asker: Request?) { if let asker { stopping.append(asker) } }

    /// Answers those who asked for the machine to be frozen, when this supervisor stays.
    func answerPause() {
        for asker in stopping { reply(asker, .done) }
        stopping = []
    }

    /// Opens the way to the agent of a machine that goes on.
    /// - Parameter frozen: what an earlier supervisor has kept; `nil` when this one has frozen the machine.
    func goOn(_ queue: Queue, _ frozen: FrozenSession?) throws {
        agent = queue
        guard let frozen else {
            speak()
            return becomeReady()
        }
        let (router, frames) = try StreamRouter.going(on: frozen.streams, killsOthers: !frozen.isNew)
        self.router = router
        try jobs.goOn()
        mainJob = frozen.mainJob
        var decoder = FrameDecoder()
        decoder.append(frozen.unsent)
        while let frame = try decoder.next() { queue.yield(frame) }
        for frame in frames { queue.yield(frame) }
        becomeReady()
    }

    private func leaveAgent() {
        agent?.finish()
        agent = nil
        isReady = false
        // Whoever has read it was cancelled, which ends a stream.
        (idleness, tellIdleness) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        portsAreUsed = false
        endSilence(SupervisorError.notSilent("its machine has ended"))
    }

    // MARK: The end

    /// Wants something of the machine.
    func order(_ order: Order) {
        switch order {
        case .stop, .kill: demand = order
        default: break
        }
        giveOrder.yield(order)
    }

    /// Makes the stream of orders anew, after whoever read it was cancelled. That the sandbox is to end stays.
    func renewOrders() {
        (orders, giveOrder) = AsyncStream.makeStream()
        if let demand { giveOrder.yield(demand) }
    }

    /// Takes note that the machine is being ended: its exit is no failure any more.
    func beginStopping() { isStopping = true }

    /// Takes note that the machine is gone.
    func machineEnded() {
        leaveAgent()
        unsent = nil
        jobs.machineEnded()
        lost = router.clientStreams
        router = StreamRouter()
        mainJob = nil
        isStopping = false
        renewOrders()
        for (number, asker) in starting { reply(asker, .failed("the machine ended before job \(number) ran")) }
        for asker in measuring { reply(asker, .failed("the machine ended")) }
        (starting, measuring) = ([:], [])
    }

    /// Tells clients that their processes went with the machine, when another one follows.
    func dropProcesses(_ reason: String) {
        let failure = StartFailure(.noResources, "the process went with its machine: \(reason)")
        for (client, stream) in lost {
            guard let frame = try? GuestMessage.failed(stream: stream, failure).frame() else { continue }
            clients[client]?.yield(frame)
        }
        lost = []
    }

    /// Tells all clients that the sandbox ends, and why, after which they get nothing more.
    func end(_ reason: String?) {
        for asker in stopping { reply(asker, .done) }
        for asker in resuming { reply(asker, .failed(reason ?? "the sandbox has ended")) }
        (stopping, resuming) = ([], [])
        if let reason { tell(.failed(reason)) }
        for queue in clients.values { queue.finish() }
        clients = [:]
        agent?.finish()
        agent = nil
        giveOrder.finish()
        tellIdleness.finish()
    }

    /// Waits until all clients have gone, which they do after ``end(_:)``, or ``stopWaitingForClients()``.
    func waitForClients() async {
        if connected > 0 { await withCheckedContinuation { waitingForClients = $0 } }
    }

    /// Ends the wait for clients that do not read.
    func stopWaitingForClients() {
        waitingForClients?.resume()
        waitingForClients = nil
    }

    /// Sends a message to all clients.
    func tell(_ message: SupervisorMessage) {
        guard let frame = try? message.frame() else { return }
        for queue in clients.values { queue.yield(frame) }
    }

    private func noteIdleness() { tellIdleness.yield(isReady && router.isIdle && clients.isEmpty && !portsAreUsed) }

    private func perform(_ actions: [StreamRouter.Action]) {
        for action in actions {
            switch action {
            case .toAgent(let frame): toAgent(frame)
            case .toClient(StreamRouter.jobs, let frame): receiveJob(frame)
            case .toClient(let client, let frame): clients[client]?.yield(frame)
            }
        }
    }
}
