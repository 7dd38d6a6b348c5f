import Foundation
import Testing

@testable import RegistryClient

@Suite("Docker's configuration")
struct DockerConfigurationTests {
    private func read(_ text: String) throws -> DockerConfiguration {
        try DockerConfiguration(decoding: Array(text.utf8), path: "config.json")
    }

    private func auth(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    @Test(
        "every spelling of a registry finds its credential",
        arguments: [
            ("ghcr.io", "ghcr.io"), ("https://ghcr.io", "ghcr.io"), ("https://ghcr.io/v1/", "ghcr.io"),
            ("http://ghcr.io/v2/", "ghcr.io"), ("ghcr.io/v1/", "ghcr.io"), ("ghcr.io/v2", "ghcr.io"),
            ("GHCR.io/", "ghcr.io"),
            ("https://index.docker.io/v1/", "docker.io"), ("index.docker.io", "docker.io"), ("docker.io", "docker.io"),
            ("https://registry-1.docker.io/v2/", "docker.io"), ("localhost:5000", "localhost:5000"),
            ("https://localhost:5000/some/path", "localhost:5000"), ("[::1]:5000", "[::1]:5000"),
        ])
    func spellings(key: String, registry: String) throws {
        let file = try read(#"{"auths": {"\#(key)": {"auth": "\#(auth("me:pass:word"))"}}}"#)
        #expect(
            try file.credential(registry: registry, path: "a/b") == .password(username: "me", password: "pass:word"))
        #expect(try file.credential(registry: "other.example", path: "a/b") == nil)
    }

    @Test("the most specific repository wins")
    func specific() throws {
        let file = try read(
            """
            {"auths": {"r.example": {"auth": "\(auth("all:1"))"}, "r.example/team": {"auth": "\(auth("team:2"))"},
                       "r.example/team/one": {"auth": "\(auth("one:3"))"}}}
            """)
        #expect(
            try file.credential(registry: "r.example", path: "team/one") == .password(username: "one", password: "3"))
        #expect(
            try file.credential(registry: "r.example", path: "team/two") == .password(username: "team", password: "2"))
        #expect(try file.credential(registry: "r.example", path: "teams") == .password(username: "all", password: "1"))
        #expect(try file.credential(registry: "r.example", path: "") == .password(username: "all", password: "1"))
    }

    @Test(
        "tokens count before passwords, and an empty entry is none",
        arguments: [
            (#"{"username": "me", "password": "p"}"#, Credential.password(username: "me", password: "p")),
            (#"{"auth": "bWU6cA==", "identitytoken": "t"}"#, .identityToken("t")),
            (#"{"registrytoken": "t", "identitytoken": "u"}"#, .registryToken("t")),
            ("{}", nil), (#"{"auth": ""}"#, nil), (#"{"email": "me@example"}"#, nil),
        ])
    func kinds(entry: String, expected: Credential?) throws {
        #expect(
            try read(#"{"auths": {"r.example": \#(entry)}}"#).credential(registry: "r.example", path: "") == expected)
    }

    @Test("the registry's own helper counts before the one for all")
    func helpers() throws {
        let file = try read(
            #"{"credsStore": "all", "credHelpers": {"https://gcr.io/": "gcr", "none.example": ""}, "HttpHeaders": {"a": 1}}"#
        )
        #expect(file.helper(registry: "gcr.io") == "gcr")
        #expect(file.helper(registry: "none.example") == "all")
        #expect(try read(#"{"credsStore": ""}"#).helper(registry: "gcr.io") == nil)
    }

    @Test(
        "a broken entry is told when it is needed, without its content", arguments: ["%%%", "c2VjcmV0", "OnNlY3JldA=="])
    func broken(auth: String) throws {
        let file = try read(#"{"auths": {"bad.example": {"auth": "\#(auth)"}, "good.example": {"auth": "bWU6cA=="}}}"#)
        let error = #expect(throws: DockerConfiguration.InvalidEntry.self) {
            try file.credential(registry: "bad.example", path: "")
        }
        #expect(error?.reason.contains(auth) == false && error?.reason.contains("secret") == false)
        #expect(try file.credential(registry: "good.example", path: "") == .password(username: "me", password: "p"))
    }

    @Test(
        "what is no such file is refused with its path",
        arguments: [
            "", "[]", "nonsense", #"{"auths": []}"#, #"{"auths": {"a": 1}}"#, String(repeating: "[", count: 1000),
        ])
    func refuses(text: String) throws {
        let error = #expect(throws: RegistryError.self) { try read(text) }
        #expect(error?.description.hasPrefix("config.json: ") == true)
    }

    @Test("no description shows a secret")
    func redacts() {
        let credentials: [Credential] = [
            .password(username: "me", password: "hidden"), .identityToken("hidden"), .registryToken("hidden"),
        ]
        for credential in credentials {
            var dumped = ""
            dump(credential, to: &dumped)
            for text in ["\(credential)", String(reflecting: credential), dumped, "\([credential])"] {
                #expect(!text.contains("hidden"))
            }
        }
    }
}
