import Testing

@testable import RegistryClient

@Suite("Challenges of WWW-Authenticate")
struct ChallengeTests {
    private static func challenge(
        _ scheme: String, _ parameters: [String: String] = [:], token68: String? = nil
    ) -> AuthenticationChallenge {
        AuthenticationChallenge(scheme: scheme, parameters: parameters, token68: token68)
    }

    @Test(
        "are read as RFC 9110 writes them",
        arguments: [
            (["Basic realm=\"x\""], [challenge("basic", ["realm": "x"])]),
            (["bearer  Realm = https "], [challenge("bearer", ["realm": "https"])]),
            (
                ["Bearer realm=\"https://a/token\",service=\"a\",scope=\"repository:b/c:pull,push\""],
                [
                    challenge(
                        "bearer", ["realm": "https://a/token", "service": "a", "scope": "repository:b/c:pull,push"])
                ]
            ),
            // The example of section 11.6.1.
            (
                ["Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\""],
                [
                    challenge("basic", ["realm": "simple"]),
                    challenge("newauth", ["realm": "apps", "type": "1", "title": "Login to \"apps\""]),
                ]
            ),
            (["Negotiate", "Basic realm=x"], [challenge("negotiate"), challenge("basic", ["realm": "x"])]),
            (
                ["Negotiate YWJj==, Bearer realm=r"],
                [challenge("negotiate", token68: "YWJj=="), challenge("bearer", ["realm": "r"])]
            ),
            ([", , Basic realm=x ,"], [challenge("basic", ["realm": "x"])]),
            (["Basic realm=first, realm=second"], [challenge("basic", ["realm": "first"])]),
        ])
    func reads(fields: [String], expected: [AuthenticationChallenge]) {
        #expect(AuthenticationChallenge.parse(fields) == expected)
    }

    @Test(
        "that break the grammar end there, and never trap",
        arguments: [
            "", "=", ",,,", "\"", "Basic realm=\"open", "Basic realm=\"x\\", "Basic realm", "Bearer =",
            "Basic realm=x y=z",
            "\u{0}\u{1}", "Basic realm=\u{FC}", String(repeating: "a,", count: 9000),
        ])
    func survives(field: String) {
        #expect(AuthenticationChallenge.parse([field]).count <= 16)
        #expect(AuthenticationChallenge.parse([field]).allSatisfy { $0.parameters["y"] == nil })
    }

    @Test("are limited in number and size")
    func isBounded() {
        let many = (0..<100).map { "scheme\($0)" }.joined(separator: ", ")
        #expect(AuthenticationChallenge.parse([many]).count == AuthenticationChallenge.maximumChallenges)
        let long = "Basic realm=\"" + String(repeating: "x", count: AuthenticationChallenge.maximumSize) + "\""
        #expect(AuthenticationChallenge.parse([long, "Basic realm=x"]).isEmpty)
    }
}
