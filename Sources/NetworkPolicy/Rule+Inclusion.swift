extension NetworkPolicy.Rule {
    /// Whether every connection that `other` matches is one that this rule matches, as far as that is plain to see.
    public func includes(_ other: NetworkPolicy.Rule) -> Bool {
        guard direction == other.direction, application == nil || application == other.application,
            transport == nil || transport == other.transport, target.includes(other.target, for: action)
        else { return false }
        if ports.isEmpty { return true }
        return !other.ports.isEmpty
            && other.ports.allSatisfy { range in
                ports.contains { $0.contains(range.lowerBound) && $0.contains(range.upperBound) }
            }
    }
}

extension NetworkPolicy.Target {
    fileprivate func includes(_ other: NetworkPolicy.Target, for action: NetworkPolicy.Action) -> Bool {
        if self == other { return true }
        switch (self, other) {
        case (.any, .name), (.any, .below): return true
        // Allowing everyone leaves out, under rules by name, what a rule for a very address and port gives.
        case (.any, _): return action == .deny
        case (.below(let parent), .name(let name)), (.below(let parent), .below(let name)): return name.isBelow(parent)
        // A range that is allowed leaves out what only a single address gives.
        case (.range(let range), .range(let part)):
            return range.length <= part.length && range.contains(part.base)
                && (action == .deny || part.length < part.base.width)
        default: return false
        }
    }
}
