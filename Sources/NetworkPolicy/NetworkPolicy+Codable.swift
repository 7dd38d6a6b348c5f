import ForeignText

/// The form in which records keep a policy, the API takes it and policy files have it:
///
///     {"egress":"deny","ingress":"allow","recordsAllowed":false,
///      "rules":[{"allow":"api.example.com:443"},{"deny":"10.0.0.0/8"}]}
///
/// Each key may be missing (`egress` is then `deny`, `ingress` is `allow`, `recordsAllowed` is false, and there are no
/// rules); no other may be there. One of the words `none`, `public` and `all` stands for the policy of that name.
extension NetworkPolicy: Codable {
    private enum Key: String, CodingKey, CaseIterable {
        case egress, ingress, recordsAllowed, rules
    }

    /// Reads the form above.
    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.singleValueContainer(), let word = try? container.decode(String.self) {
            guard let policy = NetworkPolicy(preset: word) else {
                throw DecodingError.dataCorruptedError(
                    in: container,
                    debugDescription: "'\(word.excerpt(80))' is no policy: write none, public or all, or rules")
            }
            self = policy
            return
        }
        try AnyKey.refuseUnknown(in: decoder, known: Key.allCases.map(\.rawValue))
        let container = try decoder.container(keyedBy: Key.self)
        let rules = try container.decodeIfPresent([Rule].self, forKey: .rules) ?? []
        let policy = NetworkPolicy(
            rules, egress: try container.decodeIfPresent(Action.self, forKey: .egress) ?? .deny,
            ingress: try container.decodeIfPresent(Action.self, forKey: .ingress) ?? .allow,
            recordsAllowed: try container.decodeIfPresent(Bool.self, forKey: .recordsAllowed) ?? false)
        guard let policy else {
            throw DecodingError.dataCorruptedError(
                forKey: .rules, in: container,
                debugDescription: "a policy has at most \(Self.maximumRules) rules, not \(rules.count)")
        }
        self = policy
    }

    /// Writes the form above, with every key.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(egress, forKey: .egress)
        try container.encode(ingress, forKey: .ingress)
        try container.encode(recordsAllowed, forKey: .recordsAllowed)
        try container.encode(rules, forKey: .rules)
    }

    /// The policy of a name: `none`, `public` or `all`.
    public init?(preset name: some StringProtocol) {
        switch String(name) {
        case "none": self = .none
        case "public": self = .public
        case "all": self = .all
        default: return nil
        }
    }
}

extension NetworkPolicy.Rule: Codable {
    private enum Key: String, CodingKey, CaseIterable {
        case allow, deny
    }

    /// Reads `{"allow":"api.example.com:443"}`.
    public init(from decoder: any Decoder) throws {
        try AnyKey.refuseUnknown(in: decoder, known: Key.allCases.map(\.rawValue))
        let container = try decoder.container(keyedBy: Key.self)
        guard let key = container.allKeys.first, container.allKeys.count == 1,
            let action = NetworkPolicy.Action(rawValue: key.rawValue)
        else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "a rule has one key, 'allow' or 'deny', as {\"allow\":\"api.example.com:443\"}"))
        }
        do {
            try self.init(action, try container.decode(String.self, forKey: key))
        } catch let error as NetworkPolicy.RuleError {
            throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: error.description)
        }
    }

    /// Writes `{"allow":"api.example.com:443"}`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(description, forKey: action == .allow ? .allow : .deny)
    }
}

/// Any key at all, to see those that nobody knows.
private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    static func refuseUnknown(in decoder: any Decoder, known: [String]) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        guard let unknown = container.allKeys.first(where: { !known.contains($0.stringValue) }) else { return }
        throw DecodingError.dataCorruptedError(
            forKey: unknown, in: container,
            debugDescription:
                "no such key: '\(unknown.stringValue.excerpt(80))'; there are \(known.joined(separator: ", "))")
    }
}
