import NetworkAddress

/// The flows between a guest and its peers that were allowed: whatever belongs to one passes both ways and is not judged
/// again. Bounded by whoever adds flows; `Owner` is whom a flow leads to.
public struct FlowTable<Owner: Hashable & Sendable>: Sendable {
    /// What becomes of a packet.
    public enum Passage: Sendable, Equatable {
        /// It belongs to a flow, or is an error about one.
        case known(Owner)
        /// It is the first of a flow, which is to be judged.
        case first(ForwardedFlow)
        /// It is of nothing that there is: a connection without a beginning, an answer to nobody's question.
        case stray
        /// It is of a protocol that has no flows here.
        case unsupported
    }

    private struct Part: Hashable {
        let source: IPAddress
        let destination: IPAddress
        let identification: UInt32
        let protocolNumber: UInt8

        init(_ packet: ForwardedPacket) {
            (source, destination) = (packet.source, packet.destination)
            identification = packet.identification ?? 0
            // Parts of IPv6 belong together whatever they say.
            protocolNumber = packet.source.isV4 ? packet.protocolNumber : 0
        }
    }

    private var flows: [ForwardedFlow: (state: ForwardedFlowState, owner: Owner)] = [:]
    /// The datagrams whose first part has passed, the oldest first.
    private var parts: [(part: Part, owner: Owner, end: UInt64)] = []
    private static var mostParts: Int { 64 }

    /// None yet.
    public init() {}

    /// How many there are.
    public var count: Int { flows.count }

    /// How many of them the guest's peers have begun.
    public private(set) var peersCount = 0

    /// All of them, with whom they lead to.
    public var all: [(flow: ForwardedFlow, state: ForwardedFlowState, owner: Owner)] {
        flows.map { ($0.key, $0.value.state, $0.value.owner) }
    }

    /// Takes note of a packet of the guest, or for it.
    /// - Parameter now: in nanoseconds of a clock that never goes back.
    public mutating func note(_ packet: ForwardedPacket, fromGuest: Bool, at now: UInt64) -> Passage {
        switch packet.content {
        case .fragment:
            let part = Part(packet)
            return parts.first { $0.part == part && $0.end > now }.map { .known($0.owner) } ?? .stray
        case .error(let quoted):
            // Only about what the receiver has sent to the sender, or something behind it.
            guard let flow = ForwardedFlow(quoted, errorFromGuest: fromGuest),
                (fromGuest ? flow.peer : flow.guest).address == packet.destination, let known = flows[flow]
            else { return .stray }
            return .known(known.owner)
        case .other, .malformed: return .unsupported
        case .tcp, .udp, .echo, .echoReply: break
        }
        guard let flow = ForwardedFlow(packet, fromGuest: fromGuest) else { return .unsupported }
        var begins = true
        switch packet.content {
        case .tcp(let segment): begins = segment.begins
        case .echoReply: begins = false
        default: break
        }
        guard var known = flows[flow] else { return begins ? .first(flow) : .stray }
        // The ports of a connection that is over may be used for another.
        if flow.kind == .tcp, begins, known.state.phase == .ended || known.state.phase == .reset { return .first(flow) }
        known.state.note(packet, fromGuest: fromGuest, at: now)
        flows[flow] = known
        if packet.identification != nil { add(Part(packet), known.owner, at: now) }
        return .known(known.owner)
    }

    /// Adds a flow that was allowed, with its first packet.
    public mutating func add(
        _ flow: ForwardedFlow, _ packet: ForwardedPacket, fromGuest: Bool, _ owner: Owner, at now: UInt64
    ) {
        var state = ForwardedFlowState(isGuests: fromGuest, at: now)
        state.note(packet, fromGuest: fromGuest, at: now)
        remove(flow)
        flows[flow] = (state, owner)
        if !fromGuest { peersCount += 1 }
        if packet.identification != nil { add(Part(packet), owner, at: now) }
    }

    /// Removes a flow.
    public mutating func remove(_ flow: ForwardedFlow) {
        if flows.removeValue(forKey: flow)?.state.isGuests == false { peersCount -= 1 }
    }

    /// Removes the flows in which nothing has come for long.
    /// - Returns: what they were.
    public mutating func expire(at now: UInt64) -> [(flow: ForwardedFlow, state: ForwardedFlowState)] {
        let old = flows.filter { now &- min(now, $0.value.state.lastUsed) > $0.value.state.patience($0.key.kind) }
        for flow in old.keys { remove(flow) }
        parts.removeAll { $0.end <= now }
        return old.map { ($0.key, $0.value.state) }
    }

    private mutating func add(_ part: Part, _ owner: Owner, at now: UInt64) {
        parts.removeAll { $0.part == part || $0.end <= now }
        if parts.count >= Self.mostParts { parts.removeFirst() }
        parts.append((part, owner, now &+ .seconds(30)))
    }
}
