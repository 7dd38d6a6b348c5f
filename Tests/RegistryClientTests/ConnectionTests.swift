import NIOCore
import OCI
import Testing

@testable import RegistryClient

@Suite("Connections")
struct ConnectionTests {
    let home: TestHome

    init() throws { home = try TestHome() }

    @Test("go through the proxy that the environment names, with its password")
    func proxy() async throws {
        try await ScriptedServer.run { _, answer in
            try await answer.send(200, ["Content-Type": MediaType.manifest.rawValue], smallManifest)
        } body: { server in
            try await ConnectProxy.run(to: server.port) { proxy, port in
                var proxied = home
                proxied.options.insecure = true
                proxied.options.environment["all_proxy"] = "http://me:secret@127.0.0.1:\(port)"
                try await proxied.withClient { client in
                    let fetched = try await client.manifest(Reference("registry.test:5000/a/b:1"))
                    #expect(fetched.bytes == smallManifest)
                }
                #expect(server.requests.map(\.target) == ["/v2/a/b/manifests/1"])
                #expect(server.requests.first?.headers.contains(name: "Proxy-Authorization") == false)
                let head = try #require(proxy.heads.last)
                #expect(head.hasPrefix("CONNECT registry.test:5000 HTTP/1.1\r\n"), "\(head)")
                #expect(head.lowercased().contains("proxy-authorization: basic bwu6c2vjcmv0\r\n"), "\(head)")
            }
        }
    }

    @Test(
        "that do not come about are told with the reason",
        arguments: [
            ("127.0.0.1:1", "network: Connection refused"), ("no-such-host.invalid", "its name cannot be resolved"),
        ])
    func unreachable(registry: String, reason: String) async throws {
        try await home.withClient { client in
            let message = try await message { _ = try await client.manifest(Reference("\(registry)/a/b:1")) }
            #expect(
                message.hasPrefix("manifest of \(registry)/a/b:1: no connection to \(registry): ")
                    && message.contains(reason), "\(message)")
        }
    }

    @Test("end at once when the task is cancelled")
    func cancels() async throws {
        let (begun, begin) = AsyncStream<Void>.makeStream()
        try await ScriptedServer.run { request, answer in
            if request.path == "/v2/" { return try await answer.send(200) }
            try await answer.head(200, length: 1000)
            try await answer.bytes([1])
            begin.yield()
            try await Task.sleep(for: .seconds(60))
        } body: { server in
            try await home.withClient { client in
                await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await client.download(
                            try ContentDescriptor(of: content(1000)), of: Reference("\(server.name)/a/b"),
                            into: MemorySink())
                    }
                    for await _ in begun { break }
                    group.cancelAll()
                    let result = await group.nextResult()
                    guard case .failure(RegistryError.cancelled) = result else {
                        Issue.record("\(String(describing: result))")
                        return
                    }
                }
            }
        }
    }

    @Test("what the sink says is not the registry's fault, and not tried again")
    func sinkFails() async throws {
        struct Full: Error, CustomStringConvertible { let description = "the disk is full" }
        struct FullSink: BlobSink {
            let count: Int64 = 0
            func write(_ bytes: ByteBuffer) throws { throw Full() }
        }
        try await ScriptedServer.run { request, answer in
            try await answer.send(200, [:], [UInt8](repeating: 1, count: 1000))
        } body: { server in
            try await home.withClient { client in
                let message = try await message {
                    try await client.download(
                        try ContentDescriptor(of: content(1000)), of: Reference("\(server.name)/a/b"), into: FullSink())
                }
                #expect(message == "the disk is full")
                #expect(server.requests.count == 1)
            }
        }
    }
}
