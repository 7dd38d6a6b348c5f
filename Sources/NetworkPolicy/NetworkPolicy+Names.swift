import NetworkAddress

extension NetworkPolicy {
    /// The name by which a sandbox finds its host.
    public static let hostName: DomainName = DomainName("host.sandpiper.internal") ?? .root

    /// Whether the sandbox may have a name resolved.
    ///
    /// Under a list of what is allowed only the names on it are, so that names carry no data out. Where everyone or the
    /// whole of the internet may be reached every name is, but for those that a rule denies altogether, and under rules
    /// by name for those of encrypted resolvers. `hostName` is resolved when the host may be reached.
    public func decide(query name: DomainName) -> Ruling {
        for (index, rule) in rules.enumerated() where rule.direction == .egress {
            switch rule.action {
            case .deny:
                guard rule.isUnrestricted else { continue }
                guard rule.target == .any || rule.target.matches(name) else { continue }
            case .allow:
                if rule.target.matches(name) { break }
                if name == Self.hostName {
                    guard rule.target == .any || rule.target == .group(.host) else { continue }
                } else {
                    guard rule.opensResolving else { continue }
                    if usesNames, EncryptedResolvers.contain(name) {
                        return Ruling(action: .deny, index: index, rule: rule, reason: .encryptedDNS)
                    }
                }
            }
            return Ruling(action: rule.action, index: index, rule: rule, reason: .rule)
        }
        if egress == .allow, usesNames, EncryptedResolvers.contain(name) {
            return Ruling(action: .deny, index: nil, rule: nil, reason: .encryptedDNS)
        }
        return Ruling(action: egress, index: nil, rule: nil, reason: .noRule)
    }

    /// Whether an answer may be given to the sandbox that has this address for a name it may resolve.
    ///
    /// A name of the internet may not lead into the host's networks (rebinding): an address that is not public is given
    /// only when rules by address or group, or the default action, allow connections to it.
    public func decide(
        answer address: IPAddress, for name: DomainName, in surroundings: Surroundings = Surroundings()
    ) -> Ruling {
        let judged = JudgedAddress(address, in: surroundings)
        guard let group = judged.hiddenFromNames else {
            return Ruling(action: .allow, index: nil, rule: nil, reason: .publicAddress)
        }
        guard let giver = ruling(giving: judged), giver.action == .allow else {
            return Ruling(action: .deny, index: nil, rule: nil, reason: .rebinding(group))
        }
        return giver
    }

    /// Whether rules by address, or the default action, allow some connection to an address.
    func givesAddress(_ address: JudgedAddress) -> Bool { ruling(giving: address)?.action == .allow }

    private func ruling(giving address: JudgedAddress) -> Ruling? {
        for (index, rule) in rules.enumerated() where rule.direction == .egress && !rule.target.isByName {
            switch rule.action {
            case .allow: guard address.isAllowed(by: rule.target) == .yes else { continue }
            case .deny: guard rule.isUnrestricted, address.isDenied(by: rule.target) else { continue }
            }
            return Ruling(action: rule.action, index: index, rule: rule, reason: .rule)
        }
        return egress == .allow ? Ruling(action: .allow, index: nil, rule: nil, reason: .noRule) : nil
    }
}
