import NetworkAddress

extension NetworkPolicy {
    /// A connection that somebody asks for: of TCP, or the packets of UDP or ICMP between the same ends.
    public struct Connection: Hashable, Sendable {
        /// Who begins.
        public var direction: Direction
        /// What carries it.
        public var transport: Transport
        /// The other side's address: where the sandbox wants to, or where the client of a published port comes from.
        public var address: IPAddress
        /// The server's port: the other side's in egress, the sandbox's own in ingress. 0 for ICMP.
        public var port: UInt16
        /// The names for which this sandbox's own DNS was given this address as an answer that is still fresh: those
        /// that were asked for, not the aliases on the way.
        public var names: [DomainName]

        /// A connection between these ends.
        public init(
            _ direction: Direction = .egress, _ transport: Transport, _ address: IPAddress, port: UInt16 = 0,
            names: [DomainName] = []
        ) {
            self.direction = direction
            self.transport = transport
            self.address = address
            self.port = port
            self.names = names
        }
    }

    /// What the client of a TCP connection said of the server that it means.
    public enum Claim: Hashable, Sendable {
        /// A ClientHello, with the server name in it if there is one that is a name; under ECH the outer one.
        case tls(DomainName?)
        /// A request of HTTP/1, with the name in its `Host`; `nil` for an address or none.
        case http(DomainName?)
        /// Something else, or nothing within the time that the gateway waits, or the server spoke first.
        case other

        /// The name, if one was given.
        public var name: DomainName? {
            switch self {
            case .tls(let name), .http(let name): name
            case .other: nil
            }
        }
    }

    /// What a policy says of a connection before its client has spoken.
    public enum Decision: Hashable, Sendable {
        /// It is made.
        case allow(Ruling)
        /// It is refused.
        case deny(Ruling)
        /// The client's first bytes decide: the outer connection is made, and nothing of the client's is passed on
        /// before `decide(_:claiming:in:)` has allowed what it claims.
        case inspect(Inspection)
    }

    /// How the first bytes of a client decide.
    public struct Inspection: Hashable, Sendable {
        /// What holds when the client speaks neither TLS nor HTTP, says nothing within the gateway's peek, or the
        /// server speaks first: `decide(_:claiming: .other)`. When it allows, the server is never held back, and what
        /// the client says after the server has spoken is passed on unseen.
        public let otherwise: Ruling
        /// Whether the name in each request of HTTP/1 counts. When not, only a ClientHello is looked at, and HTTP is
        /// passed on as any other protocol, with the claim `.other`.
        public let readsHTTP: Bool
    }
}
