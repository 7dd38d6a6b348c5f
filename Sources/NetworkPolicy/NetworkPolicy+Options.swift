extension NetworkPolicy {
    /// The policy that options of the command line make together.
    ///
    /// What is denied goes before what is allowed, whatever their order. With a network (`none`, `public`, `all`) the rules
    /// come before what that has; without one, rules that allow are a list of all that is allowed, and rules that only
    /// deny take from what is public.
    /// - Parameters:
    ///   - network: the name of a preset, or `nil`.
    ///   - allow: texts of rules, as after `--allow`.
    ///   - deny: texts of rules, as after `--deny`.
    /// - Throws: ``RuleError``.
    public init(network: String?, allow: [String], deny: [String]) throws(RuleError) {
        var base: NetworkPolicy = allow.isEmpty ? .public : NetworkPolicy.listed
        if let network {
            guard let preset = NetworkPolicy(preset: network) else { throw .noNetwork(network) }
            base = preset
            if preset == .none, !allow.isEmpty { base = .listed }
        }
        var rules: [Rule] = []
        for text in deny { rules.append(try Rule(.deny, text)) }
        for text in allow { rules.append(try Rule(.allow, text)) }
        guard let made = NetworkPolicy(rules + base.rules, egress: base.egress, ingress: base.ingress) else {
            throw .tooManyRules
        }
        self = made
    }

    /// Nothing leaves but what rules allow; published ports are reached.
    private static var listed: NetworkPolicy { NetworkPolicy([]) ?? .none }
}
