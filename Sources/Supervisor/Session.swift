import AgentProtocol
import Control

/// The meeting point of a sandbox's clients and its agent: frames come in from the tasks that read the sockets, and leave
/// through the queues of the tasks that write them.
actor Session {
    /// Frames on their way to one socket. What is queued is bounded by the flow control of ``StreamRouter``.
    typealias Queue = AsyncStream<Frame>.Continuation

    /// Most payload bytes that a client may send before the machine is ready.
    private static let maximumEarlyBytes = 2 * FrameHeader.maximumPayload

    private var router = StreamRouter()
    private var agent: Queue?
    private var clients: [StreamRouter.ClientID: Queue] = [:]
    private var early: [(client: StreamRouter.ClientID, frame: Frame)] = []
    private var earlyBytes = 0

    /// Whether the machine is configured and clients' frames reach its agent.
    var isActive: Bool { agent != nil }

    /// Adds a client.
    func connect(_ client: StreamRouter.ClientID, _ queue: Queue) { clients[client] = queue }

    /// Takes note that a client is gone.
    func disconnect(_ client: StreamRouter.ClientID) {
        clients.removeValue(forKey: client)?.finish()
        early.removeAll { $0.client == client }
        perform(router.disconnect(client))
    }

    /// Opens the way to the agent: clients are told, and what they sent meanwhile is delivered.
    func activate(_ queue: Queue) throws(ProtocolError) {
        agent = queue
        tell(.ready)
        for (client, frame) in early { try receive(frame, from: client) }
        early = []
    }

    /// Sends a message to all clients.
    func tell(_ message: SupervisorMessage) {
        guard let frame = try? message.frame() else { return }
        for queue in clients.values { queue.yield(frame) }
    }

    /// Tells all clients why the sandbox ends, after which they get nothing more.
    func end(_ reason: String?) {
        if let reason { tell(.failed(reason)) }
        for queue in clients.values { queue.finish() }
        clients = [:]
        agent?.finish()
        agent = nil
    }

    /// Takes a frame from a client.
    /// - Throws: `ProtocolError` when the client breaks the protocol.
    func receive(_ frame: Frame, from client: StreamRouter.ClientID) throws(ProtocolError) {
        guard agent != nil else {
            earlyBytes += frame.payload.count + FrameHeader.size
            guard earlyBytes <= Self.maximumEarlyBytes else { throw .payloadTooLong(UInt32(clamping: earlyBytes)) }
            early.append((client, frame))
            return
        }
        perform(try router.receive(frame, from: client))
    }

    /// Takes a frame from the agent.
    /// - Throws: `ProtocolError` when the guest breaks the protocol.
    func receive(_ frame: Frame) throws(ProtocolError) { perform(try router.receive(frame)) }

    private func perform(_ actions: [StreamRouter.Action]) {
        for action in actions {
            switch action {
            case .toAgent(let frame): agent?.yield(frame)
            case .toClient(let client, let frame): clients[client]?.yield(frame)
            }
        }
    }
}
