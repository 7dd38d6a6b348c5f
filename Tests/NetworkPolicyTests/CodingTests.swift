import Foundation
import NetworkAddress
import Testing

@testable import NetworkPolicy

@Suite("The form in which policies are kept")
struct CodingTests {
    @Test("it is stable")
    func stable() throws {
        let policy = try Notation.policy("deny [2001:db8::/32]:80/tcp; allow api.example.com:443; deny ingress:any")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(policy), as: UTF8.self)
        #expect(
            text
                == #"{"egress":"deny","ingress":"allow","recordsAllowed":false,"rules":[{"deny":"[2001:db8::/32]:80/tcp"},"#
                + #"{"allow":"api.example.com:443"},{"deny":"ingress:any"}]}"#)
        #expect(try JSONDecoder().decode(NetworkPolicy.self, from: Data(text.utf8)) == policy)
    }

    @Test(
        "what is missing is as it is documented",
        arguments: [
            ("{}", "", NetworkPolicy.Action.deny), (#"{"egress":"allow"}"#, "", .allow),
            (#"{"rules":[{"allow":"public"}]}"#, "allow public", .deny),
        ])
    func defaults(text: String, rules: String, egress: NetworkPolicy.Action) throws {
        let policy = try JSONDecoder().decode(NetworkPolicy.self, from: Data(text.utf8))
        #expect(policy.rules == (try Notation.policy(rules)).rules)
        #expect(policy.egress == egress && policy.ingress == .allow && !policy.recordsAllowed)
    }

    @Test("a word stands for a policy", arguments: ["none", "public", "all"])
    func words(word: String) throws {
        let policies = try JSONDecoder().decode([NetworkPolicy].self, from: Data("[\"\(word)\"]".utf8))
        #expect(policies == [try #require(NetworkPolicy(preset: word))])
    }

    @Test(
        "what is no policy is refused",
        arguments: [
            #""some""#, #"{"rule":[]}"#, #"{"egress":"perhaps"}"#, #"{"rules":["allow public"]}"#,
            #"{"rules":[{"allow":"public","deny":"any"}]}"#, #"{"rules":[{"permit":"public"}]}"#,
            #"{"rules":[{}]}"#, #"{"rules":[{"allow":"privat"}]}"#, #"{"rules":[{"allow":1}]}"#, "[]", "3",
            #"{"recordsAllowed":"yes"}"#,
        ])
    func refused(text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(NetworkPolicy.self, from: Data(text.utf8)) }
    }

    @Test("a policy has at most 1000 rules")
    func many() throws {
        let rule = try NetworkPolicy.Rule(.allow, "public")
        #expect(NetworkPolicy(Array(repeating: rule, count: 1000)) != nil)
        #expect(NetworkPolicy(Array(repeating: rule, count: 1001)) == nil)
        let text = "{\"rules\":[" + Array(repeating: #"{"allow":"public"}"#, count: 1001).joined(separator: ",") + "]}"
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(NetworkPolicy.self, from: Data(text.utf8)) }
    }
}
