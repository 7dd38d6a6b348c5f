import InterceptionProtocol
import NetworkAddress
import NetworkPolicy
import TrafficInspection

/// Holds back what the client of a connection says until the policy has agreed to the server that it names: in TLS its first
/// message, in HTTP/1 every request.
final class HandshakeCheck {
    private enum Phase {
        /// Nothing is known of what it speaks.
        case unknown
        case tls(TLSClientTracker)
        case http(HTTPRequestTracker)
        /// All passes.
        case over
    }

    /// The first byte of TLS (RFC 8446 section 5.1).
    private static let handshakeRecord: UInt8 = 22
    /// Most bytes that are held back: the longest head, and what came with it.
    private static let most = 160 << 10
    /// How long a client has for what decides, in nanoseconds: where the server waits for it, and where its own words only.
    private static let (patience, shortPatience): (UInt64, UInt64) = (10_000_000_000, 1_000_000_000)

    /// What the policy is asked with; `nil` when it has agreed to whatever the client says.
    private var judged: (connection: NetworkPolicy.Connection, inspection: NetworkPolicy.Inspection)?
    private var phase = Phase.unknown
    /// What has come from the client and not gone on.
    private var held: [UInt8] = []
    /// How much of that may go on.
    private var cleared = 0
    /// What the client has claimed last.
    private(set) var claim: NetworkPolicy.Claim?
    /// The rule that agreed to it.
    private(set) var rule: String?

    /// How an interceptor takes over.
    struct Handover {
        /// What the client speaks.
        let scheme: ConnectionOrder.Scheme
        /// The server's name in the ClientHello, as it came.
        let serverName: String?
        /// Whether the policy has agreed to this name, and might not to another.
        let isBoundToName: Bool
    }

    /// Whether TLS and HTTP go on through an interceptor.
    let intercepts: Bool
    private var handover: Handover?

    /// A check of a connection on which the client's words decide, or tell whether an interceptor takes it over; `nil` where
    /// they do not matter.
    init?(_ verdict: Judge.Verdict, intercepts: Bool) {
        self.intercepts = intercepts
        switch verdict {
        case .inspect(let connection, let inspection): judged = (connection, inspection)
        case .allow where intercepts: judged = nil
        default: return nil
        }
    }

    /// Puts another policy's view in force.
    func renew(_ connection: NetworkPolicy.Connection, _ inspection: NetworkPolicy.Inspection) {
        judged = (connection, inspection)
    }

    // MARK: What the client says

    /// Whether it can take more of it.
    var wantsMore: Bool { held.count < Self.most }
    /// Whether nothing is held.
    var isEmpty: Bool { held.isEmpty }
    /// Whether nothing needs to be looked at any more.
    var isOver: Bool { if case .over = phase { true } else { false } }
    /// Whether it has not been decided what the client means.
    var isUndecided: Bool { claim == nil && !isOver }
    /// Whether the server is not to be heard before the client has said whom it means.
    var holdsServer: Bool { isUndecided && judged?.inspection.otherwise.action == .deny }
    /// How long the client has for what decides, in nanoseconds.
    var patience: UInt64 { holdsServer || !intercepts ? Self.patience : Self.shortPatience }
    /// Whether something may go on.
    var hasCleared: Bool { cleared > 0 }

    /// Whether the client can be answered in the server's place: no answer is on its way.
    private(set) var canBeAnswered = true

    /// Takes what the client says; how much of it.
    func hold(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = min(bytes.count, Self.most - held.count)
        held += bytes.prefix(count)
        return count
    }

    /// What may go on.
    func withCleared<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        held.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<cleared])) }
    }

    /// Forgets what has gone on.
    func dropCleared(_ count: Int) {
        held.removeFirst(count)
        cleared -= count
    }

    /// Judges what is held, as far as there is enough of it.
    /// - Returns: why it does not pass; `nil` when it does, or more has to come.
    func judge(by judge: Judge) -> HandshakeRefusal? {
        while cleared < held.count {
            switch phase {
            case .over: cleared = held.count
            case .unknown:
                guard let first = FirstBytes.classify(held.span.extracting(cleared...)) else { return nil }
                switch first {
                case .tls: phase = .tls(TLSClientTracker())
                case .http:
                    if intercepts { handover = Handover(scheme: .http, serverName: nil, isBoundToName: false) }
                    if judged?.inspection.readsHTTP == true {
                        phase = .http(HTTPRequestTracker())
                    } else if let refusal = decide(.other, by: judge) {
                        return refusal
                    }
                default: if let refusal = decide(.other, by: judge) { return refusal }
                }
            case .tls(var tracker):
                let step = tracker.next(held.span.extracting(cleared...))
                phase = .tls(tracker)
                switch step {
                case .pass(let count): cleared += count
                case .hello(let hello, let length):
                    if let refusal = decide(.tls(hello.serverName), by: judge) { return refusal }
                    if intercepts {
                        handover = Handover(
                            scheme: .tls, serverName: hello.serverNameBytes.map { String(decoding: $0, as: UTF8.self) },
                            isBoundToName: judged != nil)
                        // What follows is between the client and the interceptor.
                        phase = .over
                        cleared = held.count
                        return nil
                    }
                    cleared += length
                case .needMore: return isFull
                case .opaque: phase = .over
                case .malformed: return HandshakeRefusal(malformed: "no ClientHello of TLS", isHTTP: false)
                }
            case .http(var tracker):
                // Before it counts the request that is next, and perhaps refused.
                canBeAnswered = tracker.isAnswered && cleared == 0
                let step = tracker.next(held.span.extracting(cleared...))
                phase = .http(tracker)
                switch step {
                case .pass(let count): cleared += count
                case .request(let request, let length):
                    if let refusal = decide(.http(request.server?.domainName), by: judge) { return refusal }
                    cleared += length
                case .needMore: return isFull
                case .needAnswer: return nil
                case .opaque: phase = .over
                case .fault(let fault): return HandshakeRefusal(malformed: "\(fault)", isHTTP: true)
                }
            }
        }
        return nil
    }

    /// Nothing more fits, and it is not enough.
    private var isFull: HandshakeRefusal? {
        guard held.count - cleared >= Self.most, cleared == 0 else { return nil }
        return HandshakeRefusal(malformed: "too long", isHTTP: false)
    }

    private func decide(_ claim: NetworkPolicy.Claim, by judge: Judge) -> HandshakeRefusal? {
        self.claim = claim
        if let judged {
            let ruling = judge.claim(claim, by: judged.connection)
            guard ruling.action == .allow else { return HandshakeRefusal(ruling, claim) }
            rule = ruling.told
        }
        if claim == .other { phase = .over }
        return nil
    }

    /// How an interceptor takes the connection over, once when that is known.
    func takeHandover() -> Handover? {
        defer { handover = nil }
        return claim == nil ? nil : handover
    }

    /// The client says nothing more, or has not said enough in time.
    /// - Returns: why that does not do; `nil` when it does.
    func end(by judge: Judge) -> HandshakeRefusal? {
        switch phase {
        case .unknown:
            // TLS that comes byte by byte would pass unseen.
            if intercepts, held.first == Self.handshakeRecord {
                return HandshakeRefusal(malformed: "an incomplete ClientHello", isHTTP: false)
            }
            return decide(.other, by: judge)
        case .tls where claim == nil: return HandshakeRefusal(malformed: "an incomplete ClientHello", isHTTP: false)
        case .http where cleared < held.count:
            return HandshakeRefusal(malformed: "an incomplete request", isHTTP: claim == nil)
        default:
            cleared = held.count
            return nil
        }
    }

    // MARK: What the server says

    /// Looks at what the server says, which is never held back.
    func serverSaid(_ bytes: UnsafeRawBufferPointer) {
        switch phase {
        case .http(var tracker):
            // Moved out while it changes, so that it is not copied.
            phase = .over
            tracker.observe(server: bytes.bindMemory(to: UInt8.self).span)
            phase = .http(tracker)
        // A server that speaks first is one whose protocol names no server. What is to be intercepted is looked at still.
        case .unknown where held.isEmpty && !intercepts && !holdsServer:
            claim = .other
            phase = .over
        default: break
        }
    }
}
