import NetworkAddress
import NetworkPolicy

/// The policy with all that it is to know at this moment: the addresses of the host, and which names were resolved.
struct Judge {
    /// What becomes of a connection.
    enum Verdict {
        /// It is made, by this rule.
        case allow(String)
        /// It is refused, by this rule.
        case deny(String)
        /// The first bytes decide.
        case inspect(NetworkPolicy.Connection, NetworkPolicy.Inspection)

        /// The rule that decided, or would if the client says nothing.
        var rule: String {
            switch self {
            case .allow(let rule), .deny(let rule): rule
            case .inspect(_, let inspection): inspection.otherwise.told
            }
        }

        var isDenied: Bool { if case .deny = self { true } else { false } }
    }

    var policy: NetworkPolicy
    private(set) var surroundings: NetworkPolicy.Surroundings
    private(set) var bindings = NameBindings()
    /// The gateway's own addresses, behind which the host is.
    private let gateways: Set<IPAddress>
    private let clock: () -> UInt64

    init(_ policy: NetworkPolicy, gateways: [IPAddress], host: Set<IPAddress>, clock: @escaping () -> UInt64) {
        self.policy = policy
        self.gateways = Set(gateways)
        self.clock = clock
        surroundings = .init(hostAddresses: host.union(gateways))
    }

    /// Takes note of the host's addresses.
    mutating func setHost(_ addresses: Set<IPAddress>) { surroundings.hostAddresses = addresses.union(gateways) }

    /// Takes note of the other sandboxes in the private networks.
    mutating func setSandboxes(_ addresses: Set<IPAddress>) { surroundings.sandboxAddresses = addresses }

    /// Takes note of an answer that the guest was given.
    mutating func bind(_ name: DomainName, to address: IPAddress, life: UInt64) {
        bindings.add(name, address, life: life, at: clock())
    }

    /// The names by which the guest knows an address.
    func names(of address: IPAddress) -> [DomainName] { bindings.names(of: address, at: clock()) }

    /// Whether an address is one of the host's.
    func isHost(_ address: IPAddress) -> Bool { surroundings.hostAddresses.contains(address) }

    /// The name that a proxy is to be told; `nil` where it is to be told the address. It resolves the name anew, and might
    /// find any address: so it hears one only where it is the name that the policy allows, and no other will do.
    func nameForProxy(_ endpoint: Endpoint, _ names: [DomainName]) -> DomainName? {
        guard egress(.tcp, to: endpoint, by: []).isDenied else { return nil }
        return names.first { !egress(.tcp, to: endpoint, by: [$0]).isDenied }
    }

    /// Judges what the guest wants to reach.
    func egress(_ transport: NetworkPolicy.Transport, to endpoint: Endpoint) -> Verdict {
        egress(transport, to: endpoint, by: names(of: endpoint.address))
    }

    private func egress(
        _ transport: NetworkPolicy.Transport, to endpoint: Endpoint, by names: [DomainName]
    ) -> Verdict {
        let connection = NetworkPolicy.Connection(
            .egress, transport, endpoint.address, port: endpoint.port, names: names)
        switch policy.decide(connection, in: surroundings) {
        case .allow(let ruling): return .allow(ruling.told)
        case .deny(let ruling): return .deny(ruling.told)
        case .inspect(let inspection): return .inspect(connection, inspection)
        }
    }

    /// Judges what the guest wants to ping.
    func echo(to address: IPAddress) -> Verdict { egress(.icmp, to: Endpoint(address, 0)) }

    /// Whether an address is none of the internet.
    func isSpecial(_ address: IPAddress) -> Bool {
        NetworkPolicy.public.decide(answer: address, for: .root, in: surroundings).action == .deny
    }

    /// Judges who wants to reach a port of the guest's.
    func ingress(_ transport: NetworkPolicy.Transport, from endpoint: Endpoint, port: UInt16) -> Verdict {
        let connection = NetworkPolicy.Connection(.ingress, transport, endpoint.address, port: port)
        return switch policy.decide(connection, in: surroundings) {
        case .allow(let ruling): .allow(ruling.told)
        case .deny(let ruling): .deny(ruling.told)
        case .inspect(let inspection): inspection.otherwise.action == .allow ? .allow("") : .deny("")
        }
    }

    /// Judges what the client of a connection says.
    func claim(_ claim: NetworkPolicy.Claim, by connection: NetworkPolicy.Connection) -> NetworkPolicy.Ruling {
        policy.decide(connection, claiming: claim, in: surroundings)
    }
}

extension NetworkPolicy.Ruling {
    /// What events call it: the rule, and why where that is not plain.
    var told: String {
        switch reason {
        case .rule, .noRule: ruleText
        default: "\(ruleText) (\(reason))"
        }
    }
}
