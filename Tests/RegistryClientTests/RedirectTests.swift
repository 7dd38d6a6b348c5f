import NIOHTTP1
import OCI
import Testing

@testable import RegistryClient

@Suite("Redirects")
struct RedirectTests {
    let home: TestHome

    init() throws { home = try TestHome() }

    private func run(
        _ script: @escaping ScriptedServer.Script, body: (ScriptedServer, RegistryClient) async throws -> Void
    ) async throws {
        try await ScriptedServer.run(script) { server in
            try CredentialStore(home.options).store(registry: server.name, username: "me", password: "secret")
            try await home.withClient { try await body(server, $0) }
        }
    }

    @Test("to another host carry no credentials there, nor back")
    func leaves() async throws {
        let blob = try content(10_000)
        try await ScriptedServer.run { request, answer in
            if request.path == "/there" { return try await answer.send(307, ["Location": request.query]) }
            try await answer.send(200, [:], blob)
        } body: { elsewhere in
            try await run { request, answer in
                if request.path == "/back" {
                    return try await answer.send(302, ["Location": "http://\(elsewhere.name)/end"])
                }
                guard request.authorization != nil else {
                    return try await answer.send(401, ["WWW-Authenticate": "Basic realm=x"])
                }
                if request.path == "/v2/" { return try await answer.send(200) }
                let own = request.headers.first(name: "Host") ?? ""
                try await answer.send(307, ["Location": "http://\(elsewhere.name)/there?http://\(own)/back"])
            } body: { registry, client in
                let sink = MemorySink()
                try await client.download(
                    ContentDescriptor(of: blob), of: Reference("\(registry.name)/a/b"), into: sink)
                #expect(await sink.bytes == blob)
                #expect(elsewhere.requests.map(\.path) == ["/there", "/end"])
                #expect(elsewhere.requests.allSatisfy { $0.authorization == nil })
                #expect(registry.requests.filter { $0.path == "/back" }.map(\.authorization) == [nil])
                #expect(registry.requests.contains { $0.authorization == "Basic bWU6c2VjcmV0" })
            }
        }
    }

    @Test("a host that is redirected to gets no credentials by asking for them")
    func asksElsewhere() async throws {
        try await ScriptedServer.run { request, answer in
            try await answer.send(401, ["WWW-Authenticate": "Basic realm=x"])
        } body: { elsewhere in
            try await run { request, answer in
                if request.path == "/v2/" { return try await answer.send(200) }
                try await answer.send(307, ["Location": "http://\(elsewhere.name)/"])
            } body: { registry, client in
                _ = try await message { _ = try await client.manifest(Reference("\(registry.name)/a/b")) }
                #expect(elsewhere.requests.map(\.authorization) == [nil])
            }
        }
    }

    @Test("on the same host keep the credentials")
    func stays() async throws {
        try await run { request, answer in
            guard request.authorization != nil else {
                return try await answer.send(401, ["WWW-Authenticate": "Basic realm=x"])
            }
            if request.path == "/moved" {
                return try await answer.send(200, ["Content-Type": MediaType.manifest.rawValue], smallManifest)
            }
            try await answer.send(301, ["Location": "/moved"])
        } body: { registry, client in
            let fetched = try await client.manifest(Reference("\(registry.name)/a/b"))
            #expect(fetched.bytes == smallManifest)
        }
    }

    @Test(
        "that lead in a loop, too far or nowhere are told",
        arguments: [
            ("/v2/a/b/manifests/latest", "loop"), ("+", "limit redirects of 10"), ("ftp://x/", "no URL of HTTP"),
            ("http:", "no URL of HTTP"), ("/" + String(repeating: "x", count: 10_000), "limit addressSize"),
        ])
    func refused(location: String, hint: String) async throws {
        let counter = Counter()
        try await run { request, answer in
            if request.path == "/v2/" { return try await answer.send(200) }
            try await answer.send(307, ["Location": location == "+" ? "/further/\(counter.next())" : location])
        } body: { registry, client in
            let message = try await message { _ = try await client.manifest(Reference("\(registry.name)/a/b")) }
            #expect(
                message.contains("a redirect of \(registry.name) was not followed") && message.contains(hint),
                "\(message)")
            #expect(registry.requests.count <= 11)
        }
    }

    @Test("from https to plain http are not followed")
    func downgrade() async throws {
        try await home.withClient { client in
            let follower = client.session.redirects
            let request = TransportRequest(
                method: .GET, address: try #require(WebAddress("https://a.example/")), responseTime: .seconds(1),
                what: "it")
            let failure = #expect(throws: AttemptFailure.self) { try follower.next("http://a.example/", request, []) }
            #expect(failure?.error.description.contains("from https to plain http") == true)
            #expect(try follower.next("https://b.example/", request, []).text == "https://b.example/")
        }
    }
}
