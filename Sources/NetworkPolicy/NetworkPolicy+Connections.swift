import NetworkAddress

extension NetworkPolicy {
    /// Whether a connection may be made, as far as that is known before its client has spoken.
    ///
    /// Rules are asked in order. One by address matches by the address, one by name if the sandbox's own DNS gave the
    /// address for a name of that rule; whether such a rule matches a TCP connection is known for certain only when the
    /// client has named its server, and then the decision is to inspect.
    public func decide(_ connection: Connection, in surroundings: Surroundings = Surroundings()) -> Decision {
        let evaluation = Evaluation(self, connection, surroundings, claim: nil)
        switch evaluation.run() {
        case .ruling(let ruling): return ruling.action == .allow ? .allow(ruling) : .deny(ruling)
        case .claimNeeded:
            // What no claim can open is refused at once: an attempt outside would tell the sandbox which ports are open.
            if case .ruling(let ruling) = evaluation.run(hoping: true), ruling.action == .deny { return .deny(ruling) }
            return .inspect(
                Inspection(
                    otherwise: decide(connection, claiming: .other, in: surroundings),
                    readsHTTP: rules.contains { $0.readsHTTP(of: connection) }))
        }
    }

    /// Whether a connection may be made or go on whose client said this of its server: of a connection of TLS its first
    /// message, of one of HTTP/1 every request anew.
    public func decide(
        _ connection: Connection, claiming claim: Claim, in surroundings: Surroundings = Surroundings()
    ) -> Ruling {
        switch Evaluation(self, connection, surroundings, claim: claim).run() {
        case .ruling(let ruling): ruling
        // An evaluation with a claim needs no other.
        case .claimNeeded: Ruling(action: .deny, index: nil, rule: nil, reason: .nameMissing)
        }
    }
}

extension NetworkPolicy.Rule {
    /// Whether it looks at the name in each request of HTTP/1 on such a connection: always when it denies, else on the
    /// ports that are known for it, or when it says so.
    fileprivate func readsHTTP(of connection: NetworkPolicy.Connection) -> Bool {
        guard direction == connection.direction, covers(connection.transport, connection.port) else { return false }
        if application == .http { return true }
        return target.isByName && application == nil && (action == .deny || Self.alwaysNamed.contains(connection.port))
    }

    /// The ports on which a server is always named: those of HTTP and HTTPS.
    static let alwaysNamed: Set<UInt16> = [80, 443]
}

/// One walk through the rules of a policy.
private struct Evaluation {
    typealias Rule = NetworkPolicy.Rule
    typealias Reason = NetworkPolicy.Reason
    typealias Ruling = NetworkPolicy.Ruling

    let policy: NetworkPolicy
    let connection: NetworkPolicy.Connection
    let surroundings: NetworkPolicy.Surroundings
    let address: JudgedAddress
    /// `nil` while the client has not spoken.
    let claim: NetworkPolicy.Claim?
    let usesNames: Bool

    enum Outcome {
        case ruling(Ruling)
        case claimNeeded
    }

    enum Match {
        case yes, no
        /// It would match, had it not been for this.
        case almost(Reason)
        case claimNeeded
    }

    init(
        _ policy: NetworkPolicy, _ connection: NetworkPolicy.Connection, _ surroundings: NetworkPolicy.Surroundings,
        claim: NetworkPolicy.Claim?
    ) {
        self.policy = policy
        self.connection = connection
        self.surroundings = surroundings
        // Only the client of a TCP connection to the outside names its server.
        self.claim = connection.direction == .egress && connection.transport == .tcp ? claim : .other
        address = JudgedAddress(connection.address, in: surroundings)
        usesNames = connection.direction == .egress && policy.usesNames
    }

    /// - Parameter hoping: what a claim has to say is taken for what leads to allowing.
    func run(hoping: Bool = false) -> Outcome {
        // What a refusal by default is explained with: the rule that came nearest to allowing.
        var nearest: (index: Int?, rule: Rule?, reason: Reason)?
        for (index, rule) in policy.rules.enumerated()
        where rule.direction == connection.direction && rule.covers(connection.transport, connection.port) {
            switch rule.action == .allow ? allows(rule) : denies(rule) {
            case .yes: return .ruling(Ruling(action: rule.action, index: index, rule: rule, reason: .rule))
            case .no: break
            case .almost(let reason):
                if reason.nearness > (nearest?.reason.nearness ?? -1) {
                    nearest = (index, rule, reason)
                } else if reason == .notResolved, nearest?.reason == .notResolved {
                    // No name at all, so no rule is nearer than the others.
                    nearest = (nil, nil, reason)
                }
            case .claimNeeded where !hoping: return .claimNeeded
            case .claimNeeded:
                if rule.action == .deny { continue }
                return .ruling(Ruling(action: .allow, index: index, rule: rule, reason: .rule))
            }
        }
        let standard = connection.direction == .egress ? policy.egress : policy.ingress
        if standard == .allow {
            switch hidesNames(nil) {
            case .claimNeeded where !hoping: return .claimNeeded
            case .no, .yes, .claimNeeded: return .ruling(Ruling(action: .allow, index: nil, rule: nil, reason: .noRule))
            case .almost(let reason): return .ruling(Ruling(action: .deny, index: nil, rule: nil, reason: reason))
            }
        }
        return .ruling(
            Ruling(action: .deny, index: nearest?.index, rule: nearest?.rule, reason: nearest?.reason ?? .noRule))
    }

    // MARK: rules by address

    private func allows(_ rule: Rule) -> Match {
        if rule.target.isByName { return allowsByName(rule) }
        if connection.direction == .ingress { return address.isDenied(by: rule.target) ? .yes : .no }
        switch address.isAllowed(by: rule.target) {
        case .no: return .no
        case .guarded(let group): return .almost(.guarded(group))
        case .yes: break
        }
        if let application = rule.application {
            guard let claim else { return .claimNeeded }
            guard claim.application == application else { return .almost(.otherApplication(application)) }
        }
        let hidden = hidesNames(rule)
        if case .no = hidden { return .yes }
        return hidden
    }

    private func denies(_ rule: Rule) -> Match {
        if rule.target.isByName { return deniesByName(rule) }
        guard address.isDenied(by: rule.target) else { return .no }
        guard let application = rule.application else { return .yes }
        guard let claim else { return .claimNeeded }
        return claim.application == application ? .yes : .no
    }

    /// Whether the connection is of a kind in which names cannot be seen, so that under rules by name it passes only by
    /// a rule for its very address and port: `.no` if it is none, `.almost` with the reason if it is.
    private func hidesNames(_ rule: Rule?) -> Match {
        guard usesNames else { return .no }
        if let rule, rule.isForVeryPort(of: connection.transport) { return .no }
        if connection.transport == .udp, connection.port == 443 { return .almost(.quic) }
        if EncryptedResolvers.use(connection.transport, connection.port) { return .almost(.encryptedDNS) }
        guard connection.transport == .tcp else { return .no }
        if connection.port == 443, address.forms.contains(where: EncryptedResolvers.contain) {
            return .almost(.encryptedDNS)
        }
        if claim == nil, connection.port == 443 { return .claimNeeded }
        if let name = claim?.name, EncryptedResolvers.contain(name) { return .almost(.encryptedDNS) }
        return .no
    }

    // MARK: rules by name

    private func allowsByName(_ rule: Rule) -> Match {
        guard connection.names.contains(where: rule.target.matches) else {
            // Nearer when the client named a server of this rule all the same.
            guard let name = claim?.name, !rule.target.matches(name) else { return .almost(.notResolved) }
            return .no
        }
        if let group = address.hiddenFromNames, !policy.givesAddress(address) { return .almost(.rebinding(group)) }
        if connection.transport == .udp, connection.port == 443 { return .almost(.quic) }
        guard connection.transport == .tcp else { return .yes }
        guard let claim else { return .claimNeeded }
        if let application = rule.application, claim.application != application {
            return .almost(.otherApplication(application))
        }
        let named = rule.application != nil || Rule.alwaysNamed.contains(connection.port)
        switch claim {
        case .tls(let name?), .http(let name?):
            // On other ports HTTP is as good as any protocol that names nobody.
            if case .http = claim, !named { return .yes }
            return rule.target.matches(name) ? .yes : .almost(.nameMismatch)
        case .tls(nil), .http(nil), .other: return named ? .almost(.nameMissing) : .yes
        }
    }

    /// A name is denied when the client gives it, and when it gives none and the address was resolved for it; also when
    /// the address was resolved for denied names only, whatever the client says.
    private func deniesByName(_ rule: Rule) -> Match {
        let bound = connection.names.filter(rule.target.matches).count
        if let application = rule.application {
            guard let claim else { return .claimNeeded }
            guard claim.application == application else { return .no }
        }
        if bound > 0, bound == connection.names.count { return .yes }
        guard let claim else { return .claimNeeded }
        if let name = claim.name { return rule.target.matches(name) ? .yes : .no }
        return bound > 0 ? .yes : .no
    }
}

extension NetworkPolicy.Rule {
    /// Whether it states addresses and a port, and for UDP the transport, so that who wrote it meant that very service.
    fileprivate func isForVeryPort(of transport: NetworkPolicy.Transport) -> Bool {
        guard !ports.isEmpty, transport != .udp || self.transport == .udp else { return false }
        switch target {
        case .range(let range): return range.length > 0
        case .group(let group): return group != .public
        case .any, .name, .below: return false
        }
    }
}

extension NetworkPolicy.Claim {
    fileprivate var application: NetworkPolicy.Application? {
        switch self {
        case .tls: .tls
        case .http: .http
        case .other: nil
        }
    }
}

extension NetworkPolicy.Reason {
    /// How near a rule came to allowing, when it did not for this reason.
    fileprivate var nearness: Int {
        switch self {
        case .rule, .noRule, .publicAddress: 0
        case .notResolved: 1
        case .quic, .encryptedDNS, .guarded: 2
        case .otherApplication: 3
        case .nameMissing, .nameMismatch, .rebinding: 4
        }
    }
}
