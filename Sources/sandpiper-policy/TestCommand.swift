import ArgumentParser
import Foundation
import LinuxSystem
import NetworkAddress
import NetworkPolicy

struct TestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Say which rule of a policy decides about a destination.",
        discussion: """
            A destination is a name or an address with a port, as api.example.com:443, 10.0.0.1:53/udp, 192.0.2.1/icmp, \
            a.example:8080/http, or ingress:10.0.0.1:80. A name is taken to be resolved by the sandbox to an address of \
            the internet, and to be named by the client, with TLS on port 443 and HTTP on port 80.

            The status is 0 when all are allowed, 1 when one is refused.
            """)

    @OptionGroup var source: PolicySource

    @Argument(
        help: ArgumentHelp("What the sandbox wants to reach, or who wants to reach it.", valueName: "destination"),
        transform: destination)
    var destinations: [NetworkPolicy.Destination]

    @Flag(help: "Print a JSON object for each destination.")
    var json = false

    func validate() throws {
        if destinations.isEmpty { throw ValidationError("give a destination, as api.example.com:443") }
    }

    func run() throws {
        let policy = try source.read()
        let host = ((try? InterfaceAddresses.all()) ?? []).compactMap { IPAddress(bytes: $0) }
        let surroundings = NetworkPolicy.Surroundings(hostAddresses: Set(host))
        var isRefused = false
        for destination in destinations {
            let explanation = policy.explain(destination, in: surroundings)
            isRefused = isRefused || explanation.action == .deny
            print(
                json
                    ? try Report(destination, explanation).line
                    : Self.text(destination, explanation).joined(separator: "\n"))
        }
        if isRefused { throw ExitCode(1) }
    }

    /// A line for the outcome, and one for each step that there is.
    private static func text(
        _ destination: NetworkPolicy.Destination, _ explanation: NetworkPolicy.Explanation
    ) -> [String] {
        var lines = ["\(explanation.action.rawValue)  \(destination)"]
        if let ruling = explanation.resolving { lines.append(line("name", ruling)) }
        switch explanation.connecting {
        case .allow(let ruling)?, .deny(let ruling)?: lines.append(line("address", ruling))
        case .inspect?: lines.append("  address    decided when the client names its server")
        case nil: break
        }
        if let ruling = explanation.naming { lines.append(line("handshake", ruling)) }
        return lines
    }

    private static func line(_ step: String, _ ruling: NetworkPolicy.Ruling) -> String {
        let place = ruling.index.map { "rule \($0 + 1): " } ?? ""
        return "  \(step)\(String(repeating: " ", count: 11 - step.count))\(place)\(ruling)"
    }
}

/// What is printed as JSON. The numbers of rules begin with 1.
private struct Report: Encodable {
    let destination: String
    let action: String
    var steps: [Step] = []

    struct Step: Encodable {
        let step: String
        let action: String
        let rule: Int?
        let ruleText: String?
        let reason: String
    }

    init(_ destination: NetworkPolicy.Destination, _ explanation: NetworkPolicy.Explanation) {
        self.destination = "\(destination)"
        action = explanation.action.rawValue
        if let ruling = explanation.resolving { add("name", ruling) }
        switch explanation.connecting {
        case .allow(let ruling)?, .deny(let ruling)?: add("address", ruling)
        case .inspect?, nil: break
        }
        if let ruling = explanation.naming { add("handshake", ruling) }
    }

    private mutating func add(_ step: String, _ ruling: NetworkPolicy.Ruling) {
        steps.append(
            Step(
                step: step, action: ruling.action.rawValue, rule: ruling.index.map { $0 + 1 },
                ruleText: ruling.ruleText,
                reason: ruling.description))
    }

    /// One line of JSON.
    var line: String { get throws { try json(self) } }
}

/// Anything on one line of JSON, its keys in order.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Reads a destination among the arguments.
@Sendable private func destination(_ text: String) throws -> NetworkPolicy.Destination {
    do { return try NetworkPolicy.Destination(text) } catch { throw ValidationError("\(error)") }
}
