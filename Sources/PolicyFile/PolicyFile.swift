import ForeignText
import NetworkPolicy
import Yams

/// A file that holds a policy, in YAML or in JSON, which YAML includes:
///
///     egress: deny
///     ingress: allow
///     recordsAllowed: false
///     rules:
///       - deny: 203.0.113.0/24
///       - allow: ["api.example.com:443", "*.example.net:443"]
///       - allow: public:80,443
///
/// The keys and what is meant where one is missing are those of the policy's own form; a rule may have a list where it has
/// one text there. The words `none`, `public` and `all` alone are policies too.
public enum PolicyFile {
    /// The most bytes of a file.
    public static let maximumSize = 256 << 10

    /// Reads the text of a file.
    ///
    /// - Throws: `PolicyFileError`, with the line that is to be changed.
    public static func policy(_ bytes: [UInt8]) throws(PolicyFileError) -> NetworkPolicy {
        guard bytes.count <= maximumSize else {
            throw PolicyFileError("the file is larger than \(maximumSize >> 10) KiB")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PolicyFileError("the file is not UTF-8")
        }
        try refuseAliases(bytes)
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw PolicyFileError(error, in: text) }
        guard let root else { throw PolicyFileError("the file is empty: write rules, or none, public or all") }
        return try policy(root)
    }

    /// Aliases repeat what an anchor marks, and a few lines of them make billions of values. No policy needs one. An
    /// asterisk that is no alias stands in a name in quotes, or in a comment.
    private static func refuseAliases(_ bytes: [UInt8]) throws(PolicyFileError) {
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.first(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) != UInt8(ascii: "#") else {
                continue
            }
            var previous: UInt8 = 0
            for byte in line {
                if byte == UInt8(ascii: "*"), previous != UInt8(ascii: "\""), previous != UInt8(ascii: "'") {
                    throw PolicyFileError(
                        "a '*' stands in a name in quotes, as \"*.example.com\"; aliases of YAML are not read",
                        line: index + 1)
                }
                previous = byte
            }
        }
    }

    private static func policy(_ root: Node) throws(PolicyFileError) -> NetworkPolicy {
        if let word = root.scalar?.string {
            guard let policy = NetworkPolicy(preset: word) else {
                throw PolicyFileError(
                    "'\(word.excerpt(80))' is no policy: write rules, or none, public or all", at: root)
            }
            return policy
        }
        guard let mapping = root.mapping else {
            throw PolicyFileError("a policy has the keys \(keys): write 'rules:' above the list", at: root)
        }
        var rules: [NetworkPolicy.Rule] = []
        var (egress, ingress) = (NetworkPolicy.Action.deny, NetworkPolicy.Action.allow)
        var recordsAllowed = false
        for (key, value) in mapping {
            switch key.scalar?.string {
            case "egress": egress = try action(value)
            case "ingress": ingress = try action(value)
            case "recordsAllowed":
                switch value.scalar?.string {
                case "true": recordsAllowed = true
                case "false": recordsAllowed = false
                default: throw PolicyFileError("recordsAllowed is true or false", at: value)
                }
            case "rules": rules = try self.rules(value)
            case let other:
                throw PolicyFileError("no such key: '\((other ?? "…").excerpt(80))'; there are \(keys)", at: key)
            }
        }
        guard
            let policy = NetworkPolicy(rules, egress: egress, ingress: ingress, recordsAllowed: recordsAllowed)
        else { throw tooMany(root) }
        return policy
    }

    private static let keys = "egress, ingress, recordsAllowed, rules"

    private static func tooMany(_ node: Node) -> PolicyFileError {
        PolicyFileError("a policy has at most \(NetworkPolicy.maximumRules) rules", at: node)
    }

    private static func action(_ node: Node) throws(PolicyFileError) -> NetworkPolicy.Action {
        guard let action = NetworkPolicy.Action(rawValue: node.scalar?.string ?? "") else {
            throw PolicyFileError("what is done by default is allow or deny", at: node)
        }
        return action
    }

    private static func rules(_ node: Node) throws(PolicyFileError) -> [NetworkPolicy.Rule] {
        // `rules:` with nothing below it is an empty list.
        if let text = node.scalar?.string, text.isEmpty { return [] }
        guard let list = node.sequence else {
            throw PolicyFileError("rules are a list: begin each with '- allow:' or '- deny:'", at: node)
        }
        var rules: [NetworkPolicy.Rule] = []
        for item in list {
            guard let mapping = item.mapping, mapping.count == 1, let (key, value) = mapping.first,
                let action = NetworkPolicy.Action(rawValue: key.scalar?.string ?? "")
            else {
                throw PolicyFileError("a rule is '- allow: TARGET' or '- deny: TARGET', one of them", at: item)
            }
            for text in value.sequence.map(Array.init) ?? [value] {
                guard rules.count < NetworkPolicy.maximumRules else { throw tooMany(text) }
                rules.append(try rule(action, text))
            }
        }
        return rules
    }

    private static func rule(_ action: NetworkPolicy.Action, _ node: Node) throws(PolicyFileError) -> NetworkPolicy.Rule
    {
        guard let text = node.scalar?.string else {
            throw PolicyFileError(
                "a rule's target is a text, as 'api.example.com:443'; one that begins with '[' stands in quotes",
                at: node)
        }
        do { return try NetworkPolicy.Rule(action, text) } catch { throw PolicyFileError(error.description, at: node) }
    }
}
