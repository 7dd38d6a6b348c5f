import NetworkAddress

/// What tells the packets between the guest and one of its peers apart from those of other programs.
public struct ForwardedFlow: Hashable, Sendable {
    /// What flows.
    public enum Kind: Hashable, Sendable {
        case tcp, udp
        /// Pings of the guest, and of its peer; the ports are their identifier.
        case guestEcho, peerEcho
    }

    /// What flows.
    public var kind: Kind
    /// The guest's end.
    public var guest: Endpoint
    /// The other end.
    public var peer: Endpoint

    /// A flow between these ends.
    public init(_ kind: Kind, guest: Endpoint, peer: Endpoint) {
        (self.kind, self.guest, self.peer) = (kind, guest, peer)
    }

    /// The flow of a packet; `nil` for one that is of none, or an error.
    init?(_ packet: ForwardedPacket, fromGuest: Bool) {
        let (kind, source, destination): (Kind, UInt16, UInt16)
        switch packet.content {
        case .tcp(let segment): (kind, source, destination) = (.tcp, segment.sourcePort, segment.destinationPort)
        case .udp(let from, let to): (kind, source, destination) = (.udp, from, to)
        case .echo(let identifier):
            (kind, source, destination) = (fromGuest ? .guestEcho : .peerEcho, identifier, identifier)
        case .echoReply(let identifier):
            (kind, source, destination) = (fromGuest ? .peerEcho : .guestEcho, identifier, identifier)
        default: return nil
        }
        self.init(
            kind, Endpoint(packet.source, source), Endpoint(packet.destination, destination), fromGuest: fromGuest)
    }

    /// The flow of a packet that an error is about, which the receiver of the error has sent.
    init?(_ quoted: ForwardedPacket.Quoted, errorFromGuest: Bool) {
        let kind: Kind
        switch quoted.protocolNumber {
        case ProtocolNumber.tcp: kind = .tcp
        case ProtocolNumber.udp: kind = .udp
        default: kind = errorFromGuest ? .peerEcho : .guestEcho
        }
        self.init(kind, quoted.from, quoted.to, fromGuest: !errorFromGuest)
    }

    private init(_ kind: Kind, _ source: Endpoint, _ destination: Endpoint, fromGuest: Bool) {
        self.init(kind, guest: fromGuest ? source : destination, peer: fromGuest ? destination : source)
    }
}

/// What is known of a flow.
public struct ForwardedFlowState: Sendable {
    /// How far a connection of TCP has come; all others are `new` until they are answered, and `open` then.
    enum Phase { case new, open, ended, reset }

    /// Whether its first packet was the guest's.
    public let isGuests: Bool
    /// Bytes of packets of the guest, and of its peer.
    public internal(set) var (bytesOut, bytesIn): (UInt64, UInt64) = (0, 0)
    /// When its last packet came, in nanoseconds.
    var lastUsed: UInt64
    var phase: Phase
    private var (guestFinished, peerFinished) = (false, false)
    /// Where the last segments of both have ended, and what they have said to expect.
    private var (guestNext, peerNext): (UInt32, UInt32) = (0, 0)
    private var (guestExpects, peerExpects): (UInt32?, UInt32?)

    init(isGuests: Bool, at now: UInt64) {
        self.isGuests = isGuests
        lastUsed = now
        phase = .new
    }

    /// How long it is kept when nothing comes, in nanoseconds. Half a day and more between two segments is rare, but for
    /// connections that keep themselves alive every two hours.
    func patience(_ kind: ForwardedFlow.Kind) -> UInt64 {
        switch (kind, phase) {
        case (.udp, .new), (.guestEcho, _), (.peerEcho, _): .seconds(30)
        case (.udp, _): .seconds(180)
        case (.tcp, .new): .seconds(130)
        case (.tcp, .open): .seconds(24 * 3600)
        case (.tcp, .ended): .seconds(60)
        case (.tcp, .reset): .seconds(10)
        }
    }

    /// Takes note of a packet.
    mutating func note(_ packet: ForwardedPacket, fromGuest: Bool, at now: UInt64) {
        lastUsed = now
        if fromGuest { bytesOut &+= UInt64(packet.end) } else { bytesIn &+= UInt64(packet.end) }
        guard case .tcp(let segment) = packet.content else {
            if fromGuest != isGuests { phase = .open }
            return
        }
        if fromGuest {
            guestNext = segment.next
            if segment.acknowledges { guestExpects = segment.acknowledgement }
            guestFinished = guestFinished || segment.finishes
        } else {
            peerNext = segment.next
            if segment.acknowledges { peerExpects = segment.acknowledgement }
            peerFinished = peerFinished || segment.finishes
        }
        if segment.resets {
            phase = .reset
        } else if phase == .new, guestExpects != nil, peerExpects != nil {
            phase = .open
        } else if phase == .open, guestFinished, peerFinished {
            phase = .ended
        }
    }

    /// The segment by which the guest or its peer hears that a connection is over; `nil` when they know, or it is none.
    public func reset(_ flow: ForwardedFlow, forGuest: Bool) -> [UInt8]? {
        guard flow.kind == .tcp, phase == .new || phase == .open else { return nil }
        return forGuest
            ? ForwardedPacket.reset(
                from: flow.peer, to: flow.guest, sequence: guestExpects ?? 0, acknowledgement: guestNext)
            : ForwardedPacket.reset(
                from: flow.guest, to: flow.peer, sequence: peerExpects ?? 0, acknowledgement: peerNext)
    }
}
