import NetworkAddress
import NetworkPolicy

/// Reads lines as rules, makes a policy of those that are, and asks it about connections. A rule must be the same when it
/// is written and read again; what is refused with any claim must not have been allowed without one.
@c(LLVMFuzzerTestOneInput)
public func fuzzPolicyRule(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    var rules: [NetworkPolicy.Rule] = []
    var destinations: [NetworkPolicy.Destination] = []
    for line in text.split(separator: "\n").prefix(20) {
        let action = line.hasPrefix("-") ? NetworkPolicy.Action.deny : .allow
        let rest = line.hasPrefix("-") ? line.dropFirst() : line
        do {
            let rule = try NetworkPolicy.Rule(action, rest)
            precondition((try? NetworkPolicy.Rule(action, rule.description)) == rule, "another rule: \(rule)")
            precondition(rule.includes(rule), "a rule does not have its own connections")
            rules.append(rule)
        } catch { precondition(error.description.utf8.allSatisfy { $0 >= 0x20 }, "a message of several lines") }
        if let destination = try? NetworkPolicy.Destination(rest) {
            precondition(
                (try? NetworkPolicy.Destination(destination.description)) == destination, "another destination")
            destinations.append(destination)
        }
    }
    guard let policy = NetworkPolicy(rules) else { return 0 }
    for destination in destinations {
        let explanation = policy.explain(destination)
        guard case .name(let name) = destination.host else { continue }
        // Without an allowed name no resolving, and without resolving nothing by name.
        if explanation.action == .allow { precondition(policy.decide(query: name).action == .allow, "unresolved") }
        for address in ["192.0.2.1", "10.0.0.1", "::ffff:169.254.169.254"].compactMap({ IPAddress($0) }) {
            let connection = NetworkPolicy.Connection(
                destination.direction, destination.transport, address, port: destination.port, names: [name])
            let claims: [NetworkPolicy.Claim] = [.tls(name), .tls(nil), .http(name), .http(nil), .other]
            let rulings = claims.map { policy.decide(connection, claiming: $0).action }
            switch policy.decide(connection) {
            case .allow: precondition(rulings.allSatisfy { $0 == .allow }, "allowed too early")
            case .deny: precondition(rulings.allSatisfy { $0 == .deny }, "denied too early")
            case .inspect(let inspection):
                precondition(inspection.otherwise.action == rulings[4], "another ruling")
                precondition(rulings.contains(.allow), "an attempt that nothing can open")
            }
        }
    }
    return 0
}
