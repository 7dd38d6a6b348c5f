import AgentProtocol

/// Carries frames between the clients of a sandbox and its agent: pure state, no I/O.
///
/// Each client numbers its own streams; towards the agent they get numbers of the supervisor's. The supervisor's own jobs
/// are the streams of ``jobs``, a client like others; others can take hold of one, to write to its stdin. The guest is hostile: for
/// every stream the router keeps how much each side may still send, and a guest that sends more, or something out of
/// order, ends its sandbox. Since nobody can send beyond the credit the receiver gave, what is queued for a slow client is
/// bounded by its streams' windows, and it slows nobody else.
struct StreamRouter {
    /// A client of the control socket.
    typealias ClientID = Int

    /// A frame to pass on.
    enum Action: Equatable {
        case toAgent(Frame)
        case toClient(ClientID, Frame)
    }

    /// The supervisor itself, as the client that its jobs belong to.
    static let jobs: ClientID = 0

    /// The numbers from here on are none of its own: those of mounts, see ``MountRelay``.
    static let firstReserved: UInt32 = 0xf000_0000

    /// Most processes that the clients of a sandbox may have at one time.
    static let maximumStreams = 4096

    private struct Stream {
        /// `nil` when the client has gone: the process is being killed and its output is dropped.
        var owner: (client: ClientID, stream: UInt32)?
        /// The client that has taken hold of it, when it is one of the supervisor's jobs.
        var holder: (client: ClientID, stream: UInt32)?
        var isRunning = false
        var pid: UInt32 = 0
        var inputEnded = false
        /// Bytes that the client may still send.
        var inputCredit = FlowWindow.initial
        /// Bytes that the guest may still send, stdout and stderr; `nil` after the end of the channel.
        var outputCredit: [UInt32?] = [FlowWindow.initial, FlowWindow.initial]
    }

    private struct ClientStream: Hashable {
        let client: ClientID
        let stream: UInt32
    }

    private var streams: [UInt32: Stream] = [:]
    private var numbers: [ClientStream: UInt32] = [:]
    private var lastNumber: UInt32 = 0

    /// Whether no process runs that a client started.
    var isIdle: Bool { streams.isEmpty }

    /// The streams of clients: their own processes, and the jobs that they hold.
    var clientStreams: [(client: ClientID, stream: UInt32)] {
        numbers.keys.filter { $0.client != Self.jobs }.map { ($0.client, $0.stream) }
    }

    // MARK: Freezing

    /// The streams of a machine that is frozen.
    var frozen: [FrozenStream] {
        streams.sorted { $0.key < $1.key }.map { number, stream in
            FrozenStream(
                number: number, job: stream.owner.flatMap { $0.client == Self.jobs ? $0.stream : nil },
                isRunning: stream.isRunning, pid: stream.pid, inputEnded: stream.inputEnded,
                inputCredit: stream.inputCredit, outputCredit: stream.outputCredit)
        }
    }

    /// The router of a machine that goes on without the clients that it had.
    /// - Parameter killsOthers: whether processes that were not jobs are killed, as when their client goes. Else they go on,
    ///   and what they say is dropped.
    /// - Returns: what the agent is to be told first.
    static func going(
        on streams: [FrozenStream], killsOthers: Bool
    ) throws(ProtocolError) -> (StreamRouter, [Frame]) {
        var router = StreamRouter()
        var frames: [Frame] = []
        for frozen in streams {
            var stream = Stream(owner: frozen.job.map { (Self.jobs, $0) })
            stream.isRunning = frozen.isRunning
            stream.pid = frozen.pid
            stream.inputEnded = frozen.inputEnded
            stream.inputCredit = min(frozen.inputCredit, FlowWindow.initial)
            stream.outputCredit = frozen.outputCredit.map { $0.map { min($0, FlowWindow.initial) } }
            guard stream.outputCredit.count == 2 else { throw .badField("credit") }
            if let job = frozen.job {
                router.numbers[ClientStream(client: Self.jobs, stream: job)] = frozen.number
            } else if killsOthers {
                frames.append(try HostMessage.signal(stream: frozen.number, 9).frame())
            }
            for (index, channel) in [Channel.output, .error].enumerated() where frozen.job == nil {
                // Nobody else will give back what was on its way to the client.
                guard let credit = stream.outputCredit[index], credit < FlowWindow.initial else { continue }
                stream.outputCredit[index] = FlowWindow.initial
                frames.append(
                    try HostMessage.credit(stream: frozen.number, channel, FlowWindow.initial - credit).frame())
            }
            router.streams[frozen.number] = stream
        }
        return (router, frames)
    }

    // MARK: From clients

    /// Takes a frame from a client.
    /// - Throws: ``ProtocolError`` when the client breaks the protocol; it is to be disconnected.
    mutating func receive(_ frame: Frame, from client: ClientID) throws(ProtocolError) -> [Action] {
        let key = ClientStream(client: client, stream: frame.stream)
        switch try HostMessage(frame) {
        case .configure, .shutdown, .measure, .freeze, .thaw: throw .unexpected(frame.kind)
        case .start:
            guard numbers[key] == nil else { throw .badField("stream") }
            guard streams.count < Self.maximumStreams, let number = freeNumber() else {
                let failure = StartFailure(.noResources, "start a process: \(Self.maximumStreams) are running")
                return [.toClient(client, try GuestMessage.failed(stream: frame.stream, failure).frame())]
            }
            streams[number] = Stream(owner: (client, frame.stream))
            numbers[key] = number
            return [.toAgent(frame.renumbered(number))]
        default:
            // A process may end while the client still writes to it: late frames are dropped, not errors.
            guard let number = numbers[key], var stream = streams[number] else { return [] }
            switch try HostMessage(frame) {
            case .data(_, let bytes):
                if stream.inputEnded { return [] }
                guard bytes.count <= stream.inputCredit else { throw .badField("credit") }
                stream.inputCredit -= UInt32(bytes.count)
            case .end:
                if stream.inputEnded { return [] }
                stream.inputEnded = true
            case .credit(_, let channel, let count):
                guard stream.owner.map({ $0 == (client, frame.stream) }) == true else {
                    throw .unexpected(.credit)
                }
                guard let index = channel.outputIndex else { throw .badField("channel") }
                // Credit may cross the end of the channel.
                guard let credit = stream.outputCredit[index] else { return [] }
                guard count <= FlowWindow.initial - credit else { throw .badField("credit") }
                stream.outputCredit[index] = credit + count
            default: break
            }
            streams[number] = stream
            return [.toAgent(frame.renumbered(number))]
        }
    }

    /// Takes note that a client is gone: its processes are killed.
    mutating func disconnect(_ client: ClientID) -> [Action] {
        var actions: [Action] = []
        for (key, number) in numbers where key.client == client {
            numbers[key] = nil
            if let holder = streams[number]?.holder, holder == (client, key.stream) {
                streams[number]?.holder = nil
                continue
            }
            streams[number]?.owner = nil
            if let kill = try? HostMessage.signal(stream: number, 9).frame() { actions.append(.toAgent(kill)) }
        }
        return actions
    }

    /// Passes a signal frame on to a job; `nil` when it is not running.
    func signal(job: UInt32, _ frame: Frame) -> [Action]? {
        guard let number = numbers[ClientStream(client: Self.jobs, stream: job)] else { return nil }
        return [.toAgent(frame.renumbered(number))]
    }

    /// Lets a client take hold of a job's stdin, signals and terminal, away from whoever held it before.
    /// - Throws: ``ProtocolError`` when the client uses the stream number already.
    mutating func attach(
        _ client: ClientID, stream: UInt32, to job: UInt32
    ) throws(ProtocolError) -> [Action] {
        let key = ClientStream(client: client, stream: stream)
        guard numbers[key] == nil else { throw .badField("stream") }
        guard let number = numbers[ClientStream(client: Self.jobs, stream: job)], let held = streams[number],
            held.isRunning
        else {
            let failure = StartFailure(.badRequest, "job \(job) is not running")
            return [.toClient(client, try GuestMessage.failed(stream: stream, failure).frame())]
        }
        var actions: [Action] = []
        if let former = held.holder {
            numbers[ClientStream(client: former.client, stream: former.stream)] = nil
            let failure = StartFailure(.badRequest, "another client has taken hold of job \(job)")
            actions.append(.toClient(former.client, try GuestMessage.failed(stream: former.stream, failure).frame()))
        }
        numbers[key] = number
        streams[number]?.holder = (client, stream)
        actions.append(.toClient(client, try GuestMessage.started(stream: stream, pid: held.pid).frame()))
        // The window may have been used in part by an earlier client: this one starts from none.
        if held.inputCredit > 0 {
            actions.append(.toClient(client, try GuestMessage.credit(stream: stream, held.inputCredit).frame()))
        }
        return actions
    }

    // MARK: From the agent

    /// Takes a frame from the agent, which is not trusted.
    /// - Throws: ``ProtocolError`` when the guest breaks the protocol; the sandbox is to be ended.
    mutating func receive(_ frame: Frame) throws(ProtocolError) -> [Action] {
        let message = try GuestMessage(frame)
        guard var stream = streams[frame.stream] else { throw .badField("stream") }
        var ended = false
        var actions: [Action] = []
        switch message {
        case .ready, .configured, .refused, .stopped, .measured, .frozen, .thawed: throw .unexpected(frame.kind)
        case .started(_, let pid):
            guard !stream.isRunning else { throw .unexpected(.started) }
            stream.isRunning = true
            stream.pid = pid
        case .failed:
            guard !stream.isRunning else { throw .unexpected(.failed) }
            ended = true
        case .data(_, let channel, let bytes):
            guard stream.isRunning, let index = channel.outputIndex, let credit = stream.outputCredit[index],
                !bytes.isEmpty, bytes.count <= credit
            else { throw .badField("credit") }
            let count = UInt32(bytes.count)
            stream.outputCredit[index] = credit - count
            if stream.owner == nil {
                stream.outputCredit[index] = credit
                actions.append(.toAgent(try HostMessage.credit(stream: frame.stream, channel, count).frame()))
            }
        case .end(_, let channel):
            guard stream.isRunning, let index = channel.outputIndex, stream.outputCredit[index] != nil else {
                throw .unexpected(.end)
            }
            stream.outputCredit[index] = nil
        case .credit(_, let count):
            guard stream.isRunning, count > 0, count <= FlowWindow.initial - stream.inputCredit else {
                throw .badField("credit")
            }
            stream.inputCredit += count
        case .exited:
            guard stream.isRunning else { throw .unexpected(.exited) }
            ended = true
        }
        streams[frame.stream] = ended ? nil : stream
        if let holder = stream.holder {
            if ended { numbers[ClientStream(client: holder.client, stream: holder.stream)] = nil }
            if ended || frame.kind == .credit {
                actions.append(.toClient(holder.client, frame.renumbered(holder.stream)))
            }
        }
        if let owner = stream.owner {
            if ended { numbers[ClientStream(client: owner.client, stream: owner.stream)] = nil }
            actions.append(.toClient(owner.client, frame.renumbered(owner.stream)))
        }
        return actions
    }

    private mutating func freeNumber() -> UInt32? {
        for _ in 0...streams.count {
            lastNumber = lastNumber >= Self.firstReserved - 1 ? 1 : lastNumber + 1
            if streams[lastNumber] == nil { return lastNumber }
        }
        return nil
    }
}

extension Frame {
    fileprivate func renumbered(_ stream: UInt32) -> Frame {
        Frame(kind, channel: channel, stream: stream, payload: payload)
    }
}

extension Channel {
    fileprivate var outputIndex: Int? {
        switch self {
        case .input: nil
        case .output: 0
        case .error: 1
        }
    }
}
