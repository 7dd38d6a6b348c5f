import NetworkAddress

/// What a sandbox may reach and who may reach it: rules in order, of which the first that matches decides, and an action
/// for each direction when none does.
///
/// It is a value that knows no sockets. The gateway asks it three things: whether a name may be resolved
/// (`decide(query:)`), whether an answer may be given (`decide(answer:for:in:)`), and whether a connection may be made
/// (`decide(_:in:)`, and `decide(_:claiming:in:)` once the client has named its server).
public struct NetworkPolicy: Hashable, Sendable {
    /// What a rule does with what matches it.
    public enum Action: String, Hashable, Sendable, Codable {
        case allow, deny
    }

    /// Who begins: the sandbox, or somebody outside who reaches one of its published ports.
    public enum Direction: String, Hashable, Sendable, Codable, CaseIterable {
        case egress, ingress
    }

    /// The most rules that a policy has.
    public static let maximumRules = 1000

    /// The first that matches decides.
    public private(set) var rules: [Rule]
    /// What becomes of the sandbox's connections that no rule matches.
    public var egress: Action
    /// What becomes of connections to published ports that no rule matches.
    public var ingress: Action
    /// Whether allowed connections are recorded too, as refused ones always are.
    public var recordsAllowed: Bool

    /// A policy of these rules; without any, nothing leaves and only published ports are reached. `nil` when there are
    /// more than `maximumRules`.
    public init?(_ rules: [Rule], egress: Action = .deny, ingress: Action = .allow, recordsAllowed: Bool = false) {
        guard rules.count <= Self.maximumRules else { return nil }
        self.init(checked: rules, egress: egress, ingress: ingress, recordsAllowed: recordsAllowed)
    }

    private init(checked rules: [Rule], egress: Action, ingress: Action, recordsAllowed: Bool = false) {
        self.rules = rules
        self.egress = egress
        self.ingress = ingress
        self.recordsAllowed = recordsAllowed
    }

    /// Nothing leaves and nothing comes in.
    public static let none = NetworkPolicy(checked: [], egress: .deny, ingress: .deny)
    /// The public internet, and published ports. What every sandbox has unless told otherwise.
    public static let `public` = NetworkPolicy(
        checked: [Rule(allowing: .public)], egress: .deny, ingress: .allow)
    /// Everything: also the host, its networks and the metadata service of its cloud.
    public static let all = NetworkPolicy(checked: [], egress: .allow, ingress: .allow)

    /// Whether nothing passes in either direction, so that the sandbox needs no carrier.
    public var isClosed: Bool {
        egress == .deny && ingress == .deny && !rules.contains { $0.action == .allow }
    }

    /// Whether rules go by name for what the sandbox reaches. While they do, the gateway takes `ech` and the address
    /// hints out of HTTPS and SVCB answers, and QUIC and encrypted DNS, in which names cannot be seen, do not pass by
    /// broad rules.
    public var usesNames: Bool { rules.contains { $0.direction == .egress && $0.target.isByName } }

    /// Whether every name may be resolved that no rule refuses: not under a list of what is allowed.
    public var resolvesEveryName: Bool {
        egress == .allow || rules.contains { $0.direction == .egress && $0.action == .allow && $0.opensResolving }
    }
}
