extension NetworkPolicy {
    /// The policy of a stranger, of which only what it lets reach the public internet holds: neither the host nor its
    /// networks. What it refuses it goes on to refuse.
    public var confinedToPublic: NetworkPolicy {
        var denied: [Rule] = []
        for group in Group.allCases where group != .public {
            if let rule = try? Rule(.deny, .egress, .group(group)) { denied.append(rule) }
        }
        return NetworkPolicy(denied + rules, egress: egress, ingress: ingress, recordsAllowed: recordsAllowed) ?? .none
    }
}
