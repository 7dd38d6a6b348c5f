import Foundation
import NetworkAddress
import NetworkPolicy
import PolicyFile
import Testing

@Suite("Files of policies")
struct PolicyFileTests {
    private func read(_ text: String) throws -> NetworkPolicy { try PolicyFile.policy(Array(text.utf8)) }

    @Test("a file in YAML says what its JSON says")
    func yaml() throws {
        let policy = try read(
            """
            # What the builds may reach; *.example.org is gone.
            egress: deny
            ingress: deny
            recordsAllowed: true
            rules:
              - deny: 203.0.113.0/24   # the old servers
              - allow: ["api.example.com:443", '*.example.net:443/tls']
              - allow: "[2001:db8::/32]:53/udp"
              - {allow: public:80}
              - allow:
                - ingress:10.0.0.0/8
                - any/icmp
            """)
        #expect(
            policy.rules.map { "\($0.action.rawValue) \($0)" } == [
                "deny 203.0.113.0/24", "allow api.example.com:443", "allow *.example.net:443/tls",
                "allow [2001:db8::/32]:53/udp", "allow public:80", "allow ingress:10.0.0.0/8", "allow any/icmp",
            ])
        #expect(policy.egress == .deny && policy.ingress == .deny && policy.recordsAllowed)
        let written = try JSONEncoder().encode(policy)
        #expect(try PolicyFile.policy(Array(written)) == policy)
        #expect(try JSONDecoder().decode(NetworkPolicy.self, from: written) == policy)
    }

    @Test(
        "what is missing is as in the policy's own form",
        arguments: [("rules: []", "{}"), ("rules:", "{}"), ("egress: allow", #"{"egress":"allow"}"#), ("{}", "{}")])
    func defaults(yaml: String, json: String) throws {
        #expect(try read(yaml) == JSONDecoder().decode(NetworkPolicy.self, from: Data(json.utf8)))
    }

    @Test("a word stands for a policy", arguments: ["none", "public", "all"])
    func words(word: String) throws {
        #expect(try read(word) == NetworkPolicy(preset: word))
        #expect(try read("# a comment\n---\n\"\(word)\"\n") == NetworkPolicy(preset: word))
    }

    @Test(
        "what is wrong is said with its line",
        arguments: [
            ("", nil, "empty"), ("some", 1, "no policy"), ("- allow: public", 1, "'rules:'"),
            ("rule: []", 1, "no such key"),
            ("egress: deny\nrules:\n  - allow: privat\n", 3, "privat."),
            ("rules:\n- allow: 10.0.0.1/8", 2, "10.0.0.0/8"),
            ("rules:\n- allow: public\n- permit: any", 3, "a rule is"),
            ("rules:\n- allow: a.b\n  deny: c.d", 2, "a rule is"),
            ("rules:\n- public", 2, "a rule is"), ("rules: public", 1, "rules are a list"),
            ("rules:\n- allow: {a: b}", 2, "target is a text"), ("rules:\n- allow: [[a]]", 2, "target is a text"),
            ("egress: perhaps", 1, "allow or deny"), ("recordsAllowed: yes", 1, "true or false"),
            ("egress: deny\negress: allow", 1, "twice"), ("rules:\n- allow: *.example.com", 2, "in quotes"),
            ("a: &x [1]\nb: *x", 2, "in quotes"), ("rules:\n- allow: [2001:db8::1]:443", 2, "in quotes"),
            ("rules:\n\t- allow: public", 2, "no YAML"), ("rules: [", nil, "no YAML"), ("{\"rules\":[}", 1, "no YAML"),
            ("none\n---\nall", 2, "no YAML"), ("rules:\n- allow: 'a.example\n- allow: b.example", nil, "no YAML"),
            ("? [a]\n: b", 1, "no such key"), ("rules:\n- allow: \"a\\e[31m\"", 2, "no name"),
        ] as [(String, Int?, String)])
    func wrong(text: String, line: Int?, says: String) throws {
        let error = try #require(throws: PolicyFileError.self) { try read(text) }
        if let line { #expect(error.line == line, "\(error)") }
        #expect(error.message.contains(says), "\(error)")
        #expect(error.description.utf8.allSatisfy { $0 >= 0x20 }, "\(error)")
    }

    @Test("bytes that are no text, and too many of them, are refused")
    func bytes() {
        #expect(throws: PolicyFileError.self) { try PolicyFile.policy([0xFF, 0xFE]) }
        #expect(throws: PolicyFileError.self) { try read(String(repeating: "#", count: PolicyFile.maximumSize + 1)) }
        #expect(throws: PolicyFileError.self) { try read("rules: \u{0}") }
    }

    @Test("a policy has at most 1000 rules, and one of as many is read")
    func many() throws {
        let rules = (0..<1000).map { "- allow: \"host\($0).example.com:443\"\n" }.joined()
        #expect(try read("rules:\n" + rules).rules.count == 1000)
        #expect(throws: PolicyFileError.self) { try read("rules:\n" + rules + "- allow: public") }
    }

    @Test(
        "deep nests are refused, and soon",
        arguments: [
            String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 60_000),
            String(repeating: "- ", count: 100_000), String(repeating: "? ", count: 100_000),
            String(repeating: "[", count: 900) + String(repeating: "]", count: 900),
            String(repeating: "{", count: 900) + String(repeating: ": 1}", count: 900),
            (0..<600).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        ])
    func deep(text: String) {
        let start = ContinuousClock.now
        #expect(throws: PolicyFileError.self) { try read(text) }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test("whatever is cut off, a file is read or refused")
    func cut() {
        let text = Array(#"{"egress":"deny","rules":[{"allow":"*.a.example:1-2,3/tcp"},{"deny":["any","x.y"]}]}"#.utf8)
        for count in 0..<text.count {
            #expect(throws: PolicyFileError.self) { try PolicyFile.policy(Array(text.prefix(count))) }
        }
    }
}
