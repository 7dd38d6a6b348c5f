import NetworkAddress

/// The network of one sandbox: what answers the one guest at the other end of an Ethernet, instead of a network.
///
/// The guest's connections end here, whatever their destination, and go up as streams; its datagrams and pings go up one
/// by one; what the gateway sends comes down the same way. A machine of states without sockets, clock and threads: each
/// call brings the time along, frames go to a `FrameOutput`, and what happened waits in `nextEvent()`.
///
/// The guest is hostile. Nothing it sends traps, and what it can make the stack keep is bounded by `StackLimits`.
///
/// The one who drives it calls `receive` for each frame, `advance` when `deadline` has come, `outputReady` when the
/// output has room again after it had none, and takes all events after each call. An id is unknown after its `closed`
/// event, `refuse` or `abort`; calls with an unknown id do nothing, and events that were waiting may still name it.
public final class NetworkStack {
    /// Packets to these go up whole, as `StackEvent.packet`, instead of ending here.
    public var forwardedRanges: [AddressRange]
    /// How many refusals were left out of the events, since too many waited.
    public internal(set) var omittedRefusals = 0
    /// How many frames were ignored since they were none, broken, for others, or with wrong checksums.
    public internal(set) var ignoredFrames = 0

    let configuration: StackConfiguration
    let output: any FrameOutput
    let mtu: Int
    var limits: StackLimits { configuration.limits }
    let secret: KeyedHash

    // The link.
    /// The output had no room, and has not said that it has some again.
    var isLinkFull = false
    /// Frames that wait for the link and are not made anew.
    var waitingFrames = Queue<[UInt8]>()
    var waitingFrameBytes = 0
    /// Connections that wait for the link.
    var waitingConnections = Queue<ConnectionID>()

    // Events.
    var events = Queue<StackEvent>()
    var waitingDatagramBytes = 0
    var waitingRefusals = 0

    // IP.
    var reassembly: Reassembly
    var identification: UInt32
    /// What datagrams were sent to loopback addresses of the guest, whose answers come from there.
    var loopbackFlows: LoopbackFlows

    // TCP.
    var connections = ConnectionTable()
    var closedConnections: ClosedConnections
    var timers = TimerQueue()
    let pool: BufferPool
    /// Connections that neither the gateway has accepted nor refused.
    var requestCount = 0
    /// Connections that found no memory to write to.
    var starved: [ConnectionID] = []

    /// A stack that sends its frames to `output`.
    public init(_ configuration: StackConfiguration, output: any FrameOutput) {
        self.configuration = configuration
        self.output = output
        mtu = min(max(configuration.mtu, 1280), 65520)
        forwardedRanges = configuration.forwardedRanges
        secret = KeyedHash(configuration.seed)
        reassembly = Reassembly(configuration.limits)
        loopbackFlows = LoopbackFlows()
        closedConnections = ClosedConnections(limit: configuration.limits.closedConnections)
        pool = BufferPool(limit: configuration.limits.totalBuffers)
        identification = UInt32(truncatingIfNeeded: secret.hash([0x6964]))
    }

    deinit {
        for connection in connections.all {
            connection.input.release(to: pool)
            connection.output.release(to: pool)
        }
    }

    /// Connections that are open, or about to be.
    public var connectionCount: Int { connections.count }

    /// Bytes that the buffers of connections take.
    public var bufferBytes: Int { pool.used }

    /// Whether a packet for the guest would go at once, and not wait with others.
    public var hasRoom: Bool { !isLinkFull && waitingFrames.isEmpty }

    /// Takes one Ethernet frame of the guest, without preamble and checksum. The buffer is not used after the call.
    public func receive(_ frame: UnsafeRawBufferPointer, at now: Instant) {
        receiveFrame(PacketBytes(frame), at: now)
    }

    /// When `advance` is to be called next; `nil` when nothing is waiting for a time.
    public var deadline: Instant? {
        var deadline = timers.next
        func consider(_ other: Instant?) {
            if let other, deadline.map({ other < $0 }) ?? true { deadline = other }
        }
        consider(reassembly.deadline)
        consider(closedConnections.deadline)
        return deadline
    }

    /// Does what is due.
    public func advance(to now: Instant) {
        reassembly.expire(now)
        closedConnections.expire(now)
        while let index = timers.due(at: now) {
            guard let connection = connections[index] else {
                timers.set(nil, of: index)
                continue
            }
            runTimers(of: connection, at: now)
        }
    }

    /// What has happened, one after the other; `nil` when that was all.
    public func nextEvent() -> StackEvent? {
        feedStarved()
        while let event = events.popFirst() {
            switch event {
            case .readable(let id), .writable(let id): guard connections[id] != nil else { continue }
            case .datagram(let datagram): waitingDatagramBytes -= datagram.payload.count
            case .echo(let request): waitingDatagramBytes -= request.payload.count
            case .packet(let packet): waitingDatagramBytes -= packet.count
            case .refused, .datagramRefused: waitingRefusals -= 1
            case .requested, .established, .finished, .closed: break
            }
            return event
        }
        return nil
    }

    /// Tells those that found no memory once there is enough for any buffer.
    private func feedStarved() {
        let quarter = limits.totalBuffers / 4
        guard !starved.isEmpty, pool.remaining >= quarter + min(limits.sendBuffer, quarter) else { return }
        let ids = starved
        starved = []
        for id in ids {
            guard let connection = connections[id] else { continue }
            connection.isStarved = false
            guard connection.wantsWritable else { continue }
            connection.wantsWritable = false
            events.append(.writable(id))
        }
    }

    /// The output has room again: goes on with what waits for it.
    public func outputReady(at now: Instant) {
        isLinkFull = false
        while !isLinkFull, let frame = waitingFrames.first {
            guard lay(frame) else { return }
            _ = waitingFrames.popFirst()
            waitingFrameBytes -= frame.count
        }
        // Each once and a little: who is not done stands in line again.
        while !isLinkFull, let id = waitingConnections.popFirst() {
            guard let connection = connections[id] else { continue }
            connection.isWaiting = false
            transmit(connection, burst: 4, at: now)
        }
    }

    /// Tells a refusal, unless too many wait.
    func tell(_ refused: RefusedPacket) {
        guard waitingRefusals < limits.waitingRefusals else {
            omittedRefusals += 1
            return
        }
        waitingRefusals += 1
        events.append(.refused(refused))
    }

    /// Whether `count` more bytes of datagrams may wait for the gateway.
    func mayWait(_ count: Int) -> Bool {
        guard events.count < 65536, waitingDatagramBytes + count <= limits.waitingDatagramBytes else { return false }
        waitingDatagramBytes += count
        return true
    }
}
