import NetworkAddress

extension NetworkPolicy {
    /// What `policy test` asks about: a server by name or address, or who comes in, with a port and how it is spoken to.
    public struct Destination: Hashable, Sendable, CustomStringConvertible {
        /// Who begins.
        public var direction: Direction
        /// The other side: a server by the name that a client would use, or somebody by address.
        public var host: HostName
        /// What carries it.
        public var transport: Transport
        /// The server's port; 0 for ICMP.
        public var port: UInt16
        /// What is spoken, if it is said.
        public var application: Application?

        /// Reads `api.example.com:443`, `10.0.0.1:80/udp`, `[2001:db8::1]:443`, `api.example.com:8080/http`,
        /// `192.0.2.1/icmp`, `ingress:10.0.0.1:8080`. Without a transport it is TCP.
        public init(_ text: some StringProtocol) throws(RuleError) {
            let rule = try Rule(.allow, text)
            direction = rule.direction
            transport = rule.transport ?? .tcp
            application = rule.application
            switch rule.target {
            case .name(let name): host = .name(name)
            case .range(let range) where range.length == range.base.width: host = .address(range.base)
            default: throw .noDestination(String(text))
            }
            switch rule.ports.first {
            case nil where transport == .icmp: port = 0
            case let range? where range.count == 1 && rule.ports.count == 1: port = range.lowerBound
            default: throw .noDestination(String(text))
            }
        }

        /// As it is read.
        public var description: String {
            let suffix = application?.rawValue ?? (transport == .tcp ? nil : transport.rawValue)
            let name =
                switch host {
                case .name(let name): "\(Target.name(name))"
                case .address(let address): address.isV4 || port == 0 ? "\(address)" : "[\(address)]"
                }
            return (direction == .egress ? "" : "\(direction.rawValue):") + name + (port == 0 ? "" : ":\(port)")
                + (suffix.map { "/\($0)" } ?? "")
        }
    }

    /// Which rules decide about a destination, step by step.
    public struct Explanation: Hashable, Sendable {
        /// What came out.
        public let action: Action
        /// What DNS says, for a name.
        public let resolving: Ruling?
        /// What is said when the connection is asked for, as far as it is decided then; a name is taken to lead to an
        /// address of the internet.
        public let connecting: Decision?
        /// What is said of the name in the handshake or request, where it counts.
        public let naming: Ruling?
    }

    /// Explains which rules decide about a destination. A name is taken to have been resolved by the sandbox, to an
    /// address of the internet, and to be named by a client that speaks TLS, or HTTP on port 80, or what the destination
    /// says; on other ports than 80 and 443 a client that names nobody is taken.
    public func explain(_ destination: Destination, in surroundings: Surroundings = Surroundings()) -> Explanation {
        var resolving: Ruling?
        var connection = Connection(
            destination.direction, destination.transport, Self.example, port: destination.port)
        var name: DomainName?
        switch destination.host {
        case .address(let address): connection.address = address
        case .name(let asked):
            let ruling = decide(query: asked)
            if ruling.action == .deny {
                return Explanation(action: .deny, resolving: ruling, connecting: nil, naming: nil)
            }
            resolving = ruling
            name = asked
            connection.names = [asked]
            if asked == Self.hostName {
                connection.address = .v4(IPv4Address(127, 0, 0, 1))
                connection.names = []
            }
        }
        let decision = decide(connection, in: surroundings)
        let naming: Ruling?
        let action: Action
        switch decision {
        case .allow: (action, naming) = (.allow, nil)
        case .deny: (action, naming) = (.deny, nil)
        case .inspect:
            let claim: Claim
            switch destination.application {
            case .tls: claim = .tls(name)
            case .http: claim = .http(name)
            case nil: claim = destination.port == 443 ? .tls(name) : destination.port == 80 ? .http(name) : .other
            }
            let ruling = decide(connection, claiming: claim, in: surroundings)
            (action, naming) = (ruling.action, ruling)
        }
        return Explanation(action: action, resolving: resolving, connecting: decision, naming: naming)
    }

    /// An address of the internet that nobody has (RFC 5737).
    private static let example = IPAddress.v4(IPv4Address(192, 0, 2, 1))
}
