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
    /// That the sandbox is to end, whatever machine it has then.
    private var demand: Order?
    private var measuring: [Request] = []

    private struct Request {
        let client: StreamRouter.ClientID
        let number: UInt32
    }

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
        measuring.removeAll { $0.client == client }
        starting = starting.filter { $0.value.client != client }
        perform(router.disconnect(client))
        noteIdleness()
    }

    /// Takes a frame from a client.
    /// - Throws: `ProtocolError` when the client breaks the protocol.
    func receive(_ frame: Frame, from client: StreamRouter.ClientID) throws(ProtocolError) {
        switch frame.kind {
        case .request:
            guard case .request(let number, let request) = try ClientMessage(frame) else { return }
            handle(request, Request(client: client, number: number), frame)
        case _ where !isReady: try keep(frame, from: client)
        case .attach:
            guard case .attach(let stream, let job) = try ClientMessage(frame) else { return }
            perform(try router.attach(client, stream: stream, to: job))
        default:
            perform(try router.receive(frame, from: client))
            if frame.kind == .start { noteIdleness() }
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
        case .jobs: reply(asker, .jobs(jobs.records))
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
            if measuring.count == 1, let frame = try? HostMessage.measure.frame() { agent?.yield(frame) }
        }
    }

    private func reply(_ asker: Request, _ reply: ControlReply) {
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
        wasReady = true
        tell(.ready)
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
        guard case .measured(let measures) = message, !measuring.isEmpty else { throw .unexpected(frame.kind) }
        for asker in measuring { reply(asker, .statistics(HostMeasures(directory).with(measures))) }
        measuring = []
    }

    /// Gives the machine the host's wall clock.
    func setClock() {
        if let frame = try? HostMessage.setClock(HostClock.wall).frame() { agent?.yield(frame) }
    }

    /// Asks the agent to end all processes and turn the machine off.
    func shutDown(graceMilliseconds: UInt32) {
        guard let frame = try? HostMessage.shutdown(graceMilliseconds: graceMilliseconds).frame() else { return }
        agent?.yield(frame)
    }

    // MARK: The end

    /// Wants something of the machine.
    func order(_ order: Order) {
        if case .mainEnded = order {} else { demand = order }
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
        agent?.finish()
        agent = nil
        isReady = false
        jobs.machineEnded()
        lost = router.clientStreams
        router = StreamRouter()
        mainJob = nil
        isStopping = false
        renewOrders()
        (idleness, tellIdleness) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
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
        stopping = []
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

    private func noteIdleness() { tellIdleness.yield(isReady && router.isIdle && clients.isEmpty) }

    private func perform(_ actions: [StreamRouter.Action]) {
        for action in actions {
            switch action {
            case .toAgent(let frame): agent?.yield(frame)
            case .toClient(StreamRouter.jobs, let frame): receiveJob(frame)
            case .toClient(let client, let frame): clients[client]?.yield(frame)
            }
        }
    }
}
