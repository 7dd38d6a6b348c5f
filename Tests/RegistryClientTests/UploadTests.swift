import NIOCore
import NIOHTTP1
import OCI
import Testing

@testable import RegistryClient

@Suite("Uploads to a registry that misbehaves")
struct UploadTests {
    let home: TestHome

    init() throws { home = try TestHome() }

    @Test("that break off are begun anew, from the beginning of the blob")
    func beginsAnew() async throws {
        let blob = try content(400_000)
        let patches = Counter()
        try await ScriptedServer.run { request, answer in
            switch (request.method, request.path) {
            case (.GET, _): try await answer.send(200)
            case (.HEAD, _): try await answer.send(404)
            // Relative, and with a query of its own.
            case (.POST, _): try await answer.send(202, ["Location": "one?_state=x%2By"])
            case (.PATCH, _):
                if patches.next() == 0 { throw ScriptedServer.Cut() }
                try await answer.send(202, ["Location": "http://\(request.headers.first(name: "Host") ?? "")/two?a=b"])
            default: try await answer.send(201)
            }
        } body: { server in
            try await home.withClient { client in
                let source = MemorySource(blob)
                let outcome = try await client.uploadBlob(
                    ContentDescriptor(of: blob), to: Reference("\(server.name)/a/b"), from: source)
                #expect(outcome == .uploaded)
                #expect(source.startCount == 2)
                let digest = "\(ContentDescriptor(of: blob).digest)".queryEncoded
                #expect(
                    server.requests.map { "\($0.method) \($0.target)" }.suffix(3) == [
                        "POST /v2/a/b/blobs/uploads/", "PATCH /v2/a/b/blobs/uploads/one?_state=x%2By",
                        "PUT /two?a=b&digest=\(digest)",
                    ])
                #expect(server.requests.filter { $0.method == .PATCH }.map(\.body) == [blob, blob])
            }
        }
    }

    @Test("to a place elsewhere carry no credentials")
    func elsewhere() async throws {
        let blob = try content(1000)
        try await ScriptedServer.run { request, answer in
            try await answer.send(request.method == .PATCH ? 202 : 201, ["Location": "/done"])
        } body: { elsewhere in
            try await ScriptedServer.run { request, answer in
                guard request.authorization != nil else {
                    return try await answer.send(401, ["WWW-Authenticate": "Basic realm=x"])
                }
                if request.method == .HEAD { return try await answer.send(404) }
                try await answer.send(202, ["Location": "http://\(elsewhere.name)/place"])
            } body: { registry in
                try CredentialStore(home.options).store(registry: registry.name, username: "me", password: "secret")
                try await home.withClient { client in
                    _ = try? await client.uploadBlob(
                        ContentDescriptor(of: blob), to: Reference("\(registry.name)/a/b"), from: MemorySource(blob))
                }
                #expect(elsewhere.requests.first?.method == .PATCH)
                #expect(elsewhere.requests.allSatisfy { $0.authorization == nil })
            }
        }
    }

    @Test("whose source fails, or gives another number of bytes, are told so and not tried again")
    func sourceFails() async throws {
        struct Lost: Error, CustomStringConvertible { let description = "the layer is gone" }
        struct LostSource: BlobSource {
            func bytes() -> AsyncThrowingStream<ByteBuffer, any Error> {
                AsyncThrowingStream { continuation in
                    continuation.yield(ByteBuffer(bytes: [1]))
                    continuation.finish(throwing: Lost())
                }
            }
        }
        try await ScriptedServer.run { request, answer in
            if request.method == .HEAD { return try await answer.send(404) }
            try await answer.send(request.method == .GET ? 200 : 202, ["Location": "/place"])
        } body: { server in
            try await home.withClient { client in
                let reference = try Reference("\(server.name)/a/b")
                let descriptor = ContentDescriptor(of: [1, 2, 3])
                let lost = try await message {
                    try await client.uploadBlob(descriptor, to: reference, from: LostSource())
                }
                #expect(lost == "the layer is gone")
                for wrong: [UInt8] in [[1, 2], [1, 2, 3, 4]] {
                    let message = try await message {
                        try await client.uploadBlob(descriptor, to: reference, from: MemorySource(wrong))
                    }
                    #expect(message.contains("as many bytes as its descriptor says"), "\(message)")
                }
                let posts = server.requests.filter { $0.method == .POST }
                #expect(posts.map { $0.headers["Content-Length"] } == [["0"], ["0"], ["0"]])
            }
        }
    }

    @Test("for which the registry names no usable place are told", arguments: ["", "ftp://x/y", "http://"])
    func noPlace(location: String) async throws {
        try await ScriptedServer.run { request, answer in
            if request.method == .HEAD { return try await answer.send(404) }
            try await answer.send(request.method == .POST ? 202 : 200, location.isEmpty ? [:] : ["Location": location])
        } body: { server in
            try await home.withClient { client in
                let message = try await message {
                    try await client.uploadBlob(
                        ContentDescriptor(of: [1]), to: Reference("\(server.name)/a/b"), from: MemorySource([1]))
                }
                #expect(message.contains("for the upload"), "\(message)")
            }
        }
    }

    @Test("that the registry does not take are too slow")
    func stalls() async throws {
        var hasty = home
        hasty.options.limits.attempts = 1
        hasty.options.limits.commitTime = .seconds(1)
        hasty.options.limits.rateWindow = .seconds(1)
        try await ScriptedServer.run { request, answer in
            switch request.method {
            case .HEAD: try await answer.send(404)
            case .POST: try await answer.send(202, ["Location": "/place"])
            case .PATCH: try await Task.sleep(for: .seconds(60))
            default: try await answer.send(200)
            }
        } body: { server in
            try await hasty.withClient { client in
                let message = try await message {
                    try await client.uploadBlob(
                        ContentDescriptor(of: [1]), to: Reference("\(server.name)/a/b"), from: MemorySource([1]))
                }
                #expect(message.contains("too slow"), "\(message)")
            }
        }
    }
}
