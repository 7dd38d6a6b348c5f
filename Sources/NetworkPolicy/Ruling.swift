extension NetworkPolicy {
    /// An action, and which rule took it and why.
    public struct Ruling: Hashable, Sendable {
        /// What is to be done.
        public let action: Action
        /// The place in the policy of the rule that decided, from 0; `nil` for the default action, or when something
        /// else than a rule refuses.
        public let index: Int?
        /// That rule.
        public let rule: Rule?
        /// Why.
        public let reason: Reason

        /// What decided, in the words of the command line: `allow api.example.com:443`, or `default deny`;
        /// `rules by name` or `answers of DNS` when that is what refuses what no rule is about.
        public var ruleText: String {
            if let rule { return "\(rule.action.rawValue) \(rule)" }
            switch reason {
            case .quic, .encryptedDNS: return "rules by name"
            case .rebinding, .publicAddress: return "answers of DNS"
            default: return "default \(action.rawValue)"
            }
        }
    }

    /// Why a ruling is as it is.
    public enum Reason: Hashable, Sendable {
        /// A rule matches.
        case rule
        /// No rule matches, so the default action holds.
        case noRule
        /// An answer with an address of the internet, where connections are judged by themselves.
        case publicAddress
        /// The address is the metadata service's or the host's, which broad rules do not give.
        case guarded(Group)
        /// The sandbox's DNS gave this address for no name that is allowed, or too long ago.
        case notResolved
        /// The client named no server where it has to.
        case nameMissing
        /// The client named another server than the address was resolved for.
        case nameMismatch
        /// A rule marked `http` or `tls`, and the client speaks something else.
        case otherApplication(Application)
        /// QUIC under rules by name: its names cannot be seen.
        case quic
        /// DNS over TLS, HTTPS or QUIC under rules by name, not allowed by its own name.
        case encryptedDNS
        /// A name that leads to an address which only a rule by address may give.
        case rebinding(Group)
    }
}
