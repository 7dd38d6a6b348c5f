extension NetworkPolicy.Ruling: CustomStringConvertible {
    /// One line for events and people: what decided and why.
    public var description: String {
        switch reason {
        case .rule: "\(ruleText)"
        case .publicAddress: "an address of the internet"
        case .noRule: "\(ruleText), as no rule matches"
        case .guarded(let group):
            "\(by)the address is in the group '\(group.rawValue)', which only '\(group.rawValue)', the single address or "
                + "'any' allows"
        case .notResolved: "\(by)the sandbox's DNS gave this address for no name that is allowed, or too long ago"
        case .nameMissing: "\(by)the client named no server, which it has to on this port"
        case .nameMismatch: "\(by)the client named another server"
        case .otherApplication(let application):
            "\(by)the client does not speak \(application == .tls ? "TLS" : "HTTP")"
        case .quic: "\(by)QUIC does not pass under rules by name, but for a rule such as '203.0.113.0/24:443/udp'"
        case .encryptedDNS:
            "\(by)encrypted DNS does not pass under rules by name, but for a rule with its own name, or its address and port"
        case .rebinding(let group):
            "\(by)the name leads to an address of the group '\(group.rawValue)', which no rule by address allows"
        }
    }

    private var by: String { "\(ruleText): " }
}
