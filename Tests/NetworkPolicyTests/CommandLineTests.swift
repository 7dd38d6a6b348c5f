import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("Policies of a command line")
struct CommandLineTests {
    private func composed(_ base: String?, _ rules: String) throws -> NetworkPolicy {
        try #require(
            NetworkPolicy.composed(
                base: base.flatMap { NetworkPolicy(preset: $0) }, rules: Notation.policy(rules).rules))
    }

    @Test(
        "what is allowed without --network is all that is allowed",
        arguments: [
            (nil, "", "tcp 203.0.113.5:443", "allow 0"), (nil, "", "tcp 10.0.0.1:443", "deny -"),
            (nil, "allow a.example:443", "tcp 203.0.113.5:80", "deny -"),
            (nil, "allow a.example:443", "tcp 203.0.113.5:443 = a.example", "inspect"),
            (nil, "allow 10.0.0.0/8", "tcp 203.0.113.5:443", "deny -"),
            (nil, "allow host:8080", "tcp 203.0.113.5:443", "deny -"),
            (nil, "allow host:8080", "tcp 127.0.0.1:8080", "allow 0"),
            (nil, "deny 203.0.113.0/24", "tcp 203.0.113.5:443", "deny 0"),
            (nil, "deny 203.0.113.0/24", "tcp 203.0.114.5:443", "allow 1"),
            ("public", "allow host:8080", "tcp 203.0.113.5:443", "allow 1"),
            ("public", "allow host:8080", "tcp 127.0.0.1:8080", "allow 0"),
            ("public", "allow host:8080", "tcp 127.0.0.1:8081", "deny -"),
            ("none", "allow host:8080", "tcp 203.0.113.5:443", "deny -"),
            ("none", "allow host:8080", "ingress tcp 127.0.0.1:80", "deny -"),
            ("all", "deny metadata", "tcp 169.254.169.254:80", "deny 0"),
            ("all", "deny metadata", "tcp 10.0.0.1:80", "allow -"),
            (nil, "deny 10.0.0.5; allow 10.0.0.0/8", "tcp 10.0.0.5:80", "deny 0"),
            (nil, "allow 10.0.0.5; deny 10.0.0.0/8", "tcp 10.0.0.5:80", "allow 0"),
            (nil, "allow 10.0.0.5", "ingress tcp 127.0.0.1:80", "allow -"),
            (nil, "allow ingress:10.0.0.0/8", "ingress tcp 127.0.0.1:80", "deny -"),
            (nil, "allow ingress:10.0.0.0/8", "ingress tcp 10.0.0.1:80", "allow 0"),
            (nil, "allow ingress:10.0.0.0/8", "tcp 203.0.113.5:443", "allow 1"),
            (nil, "deny ingress:10.0.0.0/8", "ingress tcp 127.0.0.1:80", "allow -"),
        ] as [(String?, String, String, String)])
    func composition(base: String?, rules: String, connection: String, expected: String) throws {
        let decision = try composed(base, rules).decide(Notation.connection(connection), in: Notation.surroundings)
        #expect(Notation.text(decision) == expected)
    }
}
