import NIOHTTP1
import OCI
import Synchronization
import Testing

@testable import RegistryClient

@Suite("Authentication")
struct AuthenticationTests {
    let home: TestHome

    init() throws { home = try TestHome() }

    private static let manifestType: HTTPHeaders = ["Content-Type": MediaType.manifest.rawValue]

    /// A registry with a token service of its own: each token is good for one request, and numbered.
    private func run(
        issue: @escaping @Sendable (ScriptedServer.Request, Int) -> (UInt, String),
        body: (ScriptedServer, RegistryClient) async throws -> Void
    ) async throws {
        let issued = Counter()
        let used = Mutex<Set<String>>([])
        try await ScriptedServer.run { request, answer in
            let host = request.headers.first(name: "Host") ?? ""
            if request.path == "/token" {
                let (status, text) = issue(request, issued.next())
                return try await answer.send(status, [:], text)
            }
            if let token = request.authorization, token.hasPrefix("Bearer good"),
                used.withLock({ $0.insert(token).inserted })
            {
                return try await answer.send(200, Self.manifestType, smallManifest)
            }
            let challenge =
                "Bearer realm=\"http://\(host)/token\",service=\"the registry\",scope=\"repository:a/b:pull\""
            try await answer.send(401, ["WWW-Authenticate": challenge])
        } body: { server in
            try await home.withClient { try await body(server, $0) }
        }
    }

    @Test("without credentials asks for an anonymous token, and for a new one when it has expired")
    func anonymous() async throws {
        try await run { _, index in
            (200, #"{"token": "good\#(index)", "expires_in": 300}"#)
        } body: { server, client in
            let reference = try Reference("\(server.name)/a/b:1")
            for _ in 0..<3 { #expect(try await client.manifest(reference).bytes == smallManifest) }
            let asked = server.requests.filter { $0.path == "/token" }
            #expect(asked.count == 3)
            #expect(asked.allSatisfy { $0.authorization == nil })
            #expect(asked.first?.query == "service=the%20registry&scope=repository%3Aa%2Fb%3Apull")
        }
    }

    @Test("with a password gives it to the token service alone")
    func password() async throws {
        try await run { _, index in
            (200, #"{"access_token": "good\#(index)"}"#)
        } body: { server, client in
            try CredentialStore(home.options).store(registry: server.name, username: "me", password: "secret")
            _ = try await client.manifest(Reference("\(server.name)/a/b:1"))
            let (tokens, others) = (
                server.requests.filter { $0.path == "/token" }, server.requests.filter { $0.path != "/token" }
            )
            #expect(tokens.map(\.authorization) == ["Basic bWU6c2VjcmV0"])
            #expect(tokens.first?.query.hasSuffix("&account=me") == true)
            #expect(others.allSatisfy { $0.authorization?.hasPrefix("Basic") != true })
        }
    }

    @Test(
        "with an identity token refreshes by POST, or by GET where that is not known",
        arguments: [200, 404, 405] as [UInt])
    func identityToken(status: UInt) async throws {
        try await run { request, index in
            request.method == .POST && status != 200 ? (status, "") : (200, #"{"access_token": "good0"}"#)
        } body: { server, client in
            try home.folder.write(
                #"{"auths": {"\#(server.name)": {"identitytoken": "refresh me"}}}"#, to: ".docker/config.json")
            _ = try await client.manifest(Reference("\(server.name)/a/b:1"))
            let tokens = server.requests.filter { $0.path == "/token" }
            #expect(tokens.map(\.method) == (status == 200 ? [.POST] : [.POST, .GET]))
            let form = String(decoding: tokens.first?.body ?? [], as: UTF8.self)
            #expect(form.contains("grant_type=refresh_token") && form.contains("refresh_token=refresh%20me"), "\(form)")
        }
    }

    @Test("an identity token does not follow a redirect to another host")
    func confidential() async throws {
        try await ScriptedServer.run { _, answer in
            try await answer.send(200)
        } body: { elsewhere in
            try await ScriptedServer.run { request, answer in
                if request.path == "/token" {
                    return try await answer.send(307, ["Location": "http://\(elsewhere.name)/"])
                }
                let host = request.headers.first(name: "Host") ?? ""
                try await answer.send(401, ["WWW-Authenticate": "Bearer realm=\"http://\(host)/token\""])
            } body: { server in
                try home.folder.write(
                    #"{"auths": {"\#(server.name)": {"identitytoken": "refresh me"}}}"#, to: ".docker/config.json")
                try await home.withClient { client in
                    let message = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b")) }
                    #expect(message.contains("must not get the user's token"), "\(message)")
                    #expect(elsewhere.requests.isEmpty)
                }
            }
        }
    }

    @Test("a token service that refuses is told as the registry's refusal", arguments: [401, 403] as [UInt])
    func refuses(status: UInt) async throws {
        try await run { _, _ in
            (status, "")
        } body: { server, client in
            let anonymous = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b:1")) }
            #expect(anonymous.contains("needs credentials: sandpiper login \(server.name)"), "\(anonymous)")
            try CredentialStore(home.options).store(registry: server.name, username: "me", password: "wrong")
            try await home.withClient { client in
                let message = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b:1")) }
                #expect(message.contains("does not accept the credentials") && !message.contains("wrong"), "\(message)")
                await #expect(throws: RegistryError.self) {
                    try await client.checkCredentials(registry: server.name, username: "me", password: "wrong")
                }
            }
        }
    }

    @Test(
        "a token service that answers nonsense is told",
        arguments: [
            "", "{}", #"{"token": ""}"#, #"{"token": "a b"}"#, #"{"token": "a\r\nX: y"}"#, #"{"token": 1}"#,
        ])
    func nonsense(answer: String) async throws {
        try await run { _, _ in
            (200, answer)
        } body: { server, client in
            let message = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b:1")) }
            #expect(message.contains("the token service"), "\(message)")
        }
    }

    @Test("a token that is not accepted is not asked for again and again")
    func uselessToken() async throws {
        try await run { _, _ in
            (200, #"{"token": "useless"}"#)
        } body: { server, client in
            _ = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b:1")) }
            #expect(server.requests.filter { $0.path == "/token" }.count == 1)
        }
    }

    @Test(
        "what the registry wants must be known, and have a URL",
        arguments: [
            ("Negotiate", "authentication by negotiate"), ("Bearer service=x", "no URL"),
            ("Bearer realm=\"file:///etc/passwd\"", "no URL"), ("", "without saying what it wants"),
        ])
    func unknown(challenge: String, hint: String) async throws {
        try await ScriptedServer.run { _, answer in
            try await answer.send(401, challenge.isEmpty ? [:] : ["WWW-Authenticate": challenge])
        } body: { server in
            try await home.withClient { client in
                let message = try await message { _ = try await client.manifest(Reference("\(server.name)/a/b:1")) }
                #expect(message.contains(hint), "\(message)")
            }
        }
    }
}
