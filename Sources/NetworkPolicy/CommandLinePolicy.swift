extension NetworkPolicy {
    /// The policy of a command line or a request: what `--network` says, and `--allow` and `--deny` in the order in which
    /// they stand.
    ///
    /// - With `--network`, rules change what it gives: `--network public --allow host:8080` adds a port of the host to the
    ///   internet.
    /// - Without it, `--allow` means only that: who is allowed something may reach nothing else, so
    ///   `--allow api.example.com:443` opens one port of one server. With rules that deny alone the internet remains:
    ///   `--deny 203.0.113.0/24` takes something from it.
    /// - The same holds for `ingress:`: a rule that allows some to come in keeps out all others.
    ///
    /// - Parameters:
    ///   - base: what `--network` says; `nil` when it is not given.
    ///   - rules: of `--allow` and `--deny`, in their order.
    /// - Returns: the policy; `nil` when it has more than `maximumRules`.
    public static func composed(base: NetworkPolicy?, rules: [Rule]) -> NetworkPolicy? {
        func allows(_ direction: Direction) -> Bool {
            rules.contains { $0.direction == direction && $0.action == .allow }
        }
        let start = base ?? (allows(.egress) ? NetworkPolicy([]) : .public)
        guard let start else { return nil }
        return NetworkPolicy(
            rules + start.rules, egress: start.egress,
            ingress: base == nil && allows(.ingress) ? .deny : start.ingress, recordsAllowed: start.recordsAllowed)
    }
}
