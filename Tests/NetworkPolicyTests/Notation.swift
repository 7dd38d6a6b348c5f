import NetworkAddress
import Testing

@testable import NetworkPolicy

/// Policies and connections as short texts, so that tables of them can be read.
enum Notation {
    /// `none`, `public`, `all`, or rules with `; ` between, as `deny 10.0.0.0/8; allow public`; `default allow` at the
    /// end when all else may leave.
    static func policy(_ text: String) throws -> NetworkPolicy {
        if let preset = NetworkPolicy(preset: text) { return preset }
        var rules: [NetworkPolicy.Rule] = []
        var (egress, ingress) = (NetworkPolicy.Action.deny, NetworkPolicy.Action.allow)
        for line in text.split(separator: "; ") {
            let words = line.split(separator: " ", maxSplits: 1)
            if line == "default allow" {
                egress = .allow
            } else if line == "default ingress deny" {
                ingress = .deny
            } else {
                let action = try #require(NetworkPolicy.Action(rawValue: String(words[0])))
                rules.append(try NetworkPolicy.Rule(action, words[1]))
            }
        }
        return try #require(NetworkPolicy(rules, egress: egress, ingress: ingress))
    }

    /// `tcp 192.0.2.1:443`, with `ingress` before it and `= name,name` after it, as what its DNS says.
    static func connection(_ text: String) throws -> NetworkPolicy.Connection {
        var words = text.split(separator: " ")
        var direction = NetworkPolicy.Direction.egress
        if words.first == "ingress" {
            direction = .ingress
            words.removeFirst()
        }
        let transport = try #require(NetworkPolicy.Transport(rawValue: String(words[0])))
        var end = words[1]
        var port: UInt16 = 0
        if transport != .icmp, let colon = end.lastIndex(of: ":") {
            port = try #require(UInt16(end[end.index(after: colon)...]))
            end = end[..<colon]
        }
        if end.hasPrefix("[") { end = end.dropFirst().dropLast() }
        let names = try words.count > 3 ? words[3].split(separator: ",").map { try #require(DomainName($0)) } : []
        return NetworkPolicy.Connection(
            direction, transport, try #require(IPAddress(end)), port: port, names: names)
    }

    /// `tls a.example`, `tls`, `http a.example`, `http`, `other`
    static func claim(_ text: String) throws -> NetworkPolicy.Claim {
        let words = text.split(separator: " ")
        let name = words.count > 1 ? DomainName(words[1]) : nil
        switch words.first {
        case "tls": return .tls(name)
        case "http": return .http(name)
        default: return .other
        }
    }

    /// The host and the sandboxes of all tables.
    static let surroundings = NetworkPolicy.Surroundings(
        hostAddresses: Set(
            ["127.0.0.1", "::1", "192.168.7.2", "198.51.100.7", "2001:db8:7::2", "fe80::7"].compactMap { IPAddress($0) }
        ),
        sandboxAddresses: Set(["10.77.0.3", "fd77::3"].compactMap { IPAddress($0) }))

    /// `allow 0`, `deny -`, `inspect`: what was decided, and by which rule.
    static func text(_ decision: NetworkPolicy.Decision) -> String {
        switch decision {
        case .allow(let ruling), .deny(let ruling): text(ruling)
        case .inspect: "inspect"
        }
    }

    /// `allow 0`, or `deny -` when no rule decided.
    static func text(_ ruling: NetworkPolicy.Ruling) -> String {
        "\(ruling.action.rawValue) \(ruling.index.map(String.init) ?? "-")"
    }
}
