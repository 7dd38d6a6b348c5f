import NIOHTTP1
import OCI
import Synchronization
import Testing

@testable import RegistryClient

@Suite("A registry that misbehaves")
struct MisbehaviourTests {
    let home: TestHome

    init() throws { home = try TestHome() }

    private static let manifestType: HTTPHeaders = ["Content-Type": MediaType.manifest.rawValue]

    /// Lets in whoever asks at the front door, and answers everything else by `script`.
    private func serve<Result: Sendable>(
        _ script: @escaping @Sendable (ScriptedServer.Request, Int, ScriptedServer.Answer) async throws -> Void,
        body: (ScriptedServer, RegistryClient) async throws -> Result
    ) async throws -> Result {
        let counter = Counter()
        return try await ScriptedServer.run { request, answer in
            if request.path == "/v2/" { return try await answer.send(200) }
            try await script(request, counter.next(), answer)
        } body: { server in
            try await home.withClient { try await body(server, $0) }
        }
    }

    private func manifest(_ server: ScriptedServer, _ client: RegistryClient) async throws -> FetchedDocument {
        try await client.manifest(Reference("\(server.name)/a/b:1"))
    }

    @Test("is asked again after the time that it wishes")
    func retryAfter() async throws {
        let time = try await serve { _, index, answer in
            if index == 0 { return try await answer.send(429, ["Retry-After": "1"]) }
            try await answer.send(200, Self.manifestType, smallManifest)
        } body: { server, client in
            try await ContinuousClock().measure {
                let fetched = try await manifest(server, client)
                #expect(fetched.bytes == smallManifest)
            }
        }
        #expect(time >= .seconds(1))
    }

    @Test("is given up after a few attempts, with its own words", arguments: [500, 502, 503, 504, 429] as [UInt])
    func givesUp(status: UInt) async throws {
        try await serve { _, _, answer in
            try await answer.send(
                status, [:], #"{"errors":[{"code":"UNAVAILABLE","message":"come\u001b[31m back\nlater"}]}"#)
        } body: { server, client in
            let message = try await message { _ = try await manifest(server, client) }
            #expect(message.contains("status \(status): UNAVAILABLE: come\\u{1b}[31m back later"), "\(message)")
            #expect(server.requests.count == 3)
        }
    }

    @Test(
        "is not asked again when it says no",
        arguments: [
            (401, "it needs credentials: sandpiper login 127.0.0.1"), (403, "does not permit it: DENIED"),
            (404, "sandpiper login 127.0.0.1"), (400, "status 400: DENIED"),
        ] as [(UInt, String)])
    func refusals(status: UInt, hint: String) async throws {
        try await serve { _, _, answer in
            let basic: HTTPHeaders = status == 401 ? ["WWW-Authenticate": "Basic realm=x"] : [:]
            try await answer.send(status, basic, #"{"errors":[{"code":"DENIED"}]}"#)
        } body: { server, client in
            let message = try await message { _ = try await manifest(server, client) }
            #expect(message.contains(hint), "\(message)")
            #expect(message.hasPrefix("manifest of \(server.name)/a/b:1: "))
            #expect(server.requests.count == 1)
        }
    }

    @Test("cuts a blob: it is continued where it was cut")
    func continues() async throws {
        let blob = try content(3 << 20)
        try await serve { request, index, answer in
            let start = request.range.flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) } ?? 0
            let range: HTTPHeaders = ["Content-Range": "bytes \(start)-\(blob.count - 1)/\(blob.count)"]
            try await answer.head(start == 0 ? 200 : 206, start == 0 ? [:] : range, length: blob.count - start)
            guard index < 4 else {
                try await answer.bytes(blob[start...])
                return try await answer.end()
            }
            try await answer.bytes(blob[start..<start + (index == 3 ? 0 : 600_000)])
            throw ScriptedServer.Cut()
        } body: { server, client in
            let sink = MemorySink()
            var patient = home
            patient.options.limits.attempts = 6
            try await patient.withClient { client in
                try await client.download(ContentDescriptor(of: blob), of: Reference("\(server.name)/a/b"), into: sink)
            }
            #expect(await sink.bytes == blob)
            // What was on its way when the connection broke may be lost.
            let starts = server.requests.map { $0.range.flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) } ?? 0 }
            #expect(starts.count == 5 && starts == starts.sorted() && starts[1] > 0, "\(starts)")
            #expect(server.requests.dropFirst().allSatisfy { $0.range?.hasSuffix("-3145727") == true })
        }
    }

    @Test("cuts a blob and knows no ranges: what is there is skipped", arguments: [200, 416] as [UInt])
    func restarts(status: UInt) async throws {
        let blob = try content(1 << 20)
        try await serve { request, index, answer in
            if status == 416, request.range != nil { return try await answer.send(416) }
            try await answer.head(200, length: blob.count)
            try await answer.bytes(index == 0 ? blob.prefix(700_001) : blob[...])
            if index == 0 { throw ScriptedServer.Cut() }
            try await answer.end()
        } body: { server, client in
            let sink = MemorySink()
            try await client.download(ContentDescriptor(of: blob), of: Reference("\(server.name)/a/b"), into: sink)
            #expect(await sink.bytes == blob)
        }
    }

    @Test("cuts every time without getting anywhere: that ends")
    func cutsAlways() async throws {
        let blob = try content(1 << 20)
        try await serve { _, _, answer in
            try await answer.head(200, length: blob.count)
            try await answer.bytes(blob.prefix(10))
            throw ScriptedServer.Cut()
        } body: { server, client in
            let message = try await message {
                try await client.download(
                    ContentDescriptor(of: blob), of: Reference("\(server.name)/a/b"), into: MemorySink())
            }
            #expect(message.contains("no connection to \(server.name)"), "\(message)")
            #expect(server.requests.count == 3)
        }
    }

    @Test(
        "gives more or less than the blob's size: nothing too much reaches the sink",
        arguments: [
            (999, true), (1001, true), (1001, false), (999, false),
        ])
    func wrongSize(size: Int, isDeclared: Bool) async throws {
        try await serve { _, _, answer in
            try await answer.head(200, length: isDeclared ? size : nil)
            try await answer.bytes(repeatElement(7, count: size))
            try await answer.end()
        } body: { server, client in
            let sink = MemorySink()
            let descriptor = ContentDescriptor(of: [UInt8](repeating: 7, count: 1000))
            _ = try await message {
                try await client.download(descriptor, of: Reference("\(server.name)/a/b"), into: sink)
            }
            #expect(await sink.count <= 1000)
        }
    }

    @Test("gives another part of a blob than was asked for")
    func wrongRange() async throws {
        try await serve { _, _, answer in
            try await answer.send(206, ["Content-Range": "bytes 0-899/1000"], [UInt8](repeating: 7, count: 900))
        } body: { server, client in
            let sink = MemorySink([UInt8](repeating: 7, count: 100))
            let descriptor = ContentDescriptor(of: [UInt8](repeating: 7, count: 1000))
            let message = try await message {
                try await client.download(descriptor, of: Reference("\(server.name)/a/b"), into: sink)
            }
            #expect(message.contains("asked for bytes from 100"), "\(message)")
            #expect(await sink.count == 100)
        }
    }

    @Test("sends what is not what the digest says")
    func mismatch() async throws {
        try await serve { _, _, answer in
            try await answer.send(200, Self.manifestType, smallManifest)
        } body: { server, client in
            let other = Digest.of([1])
            let message = try await message {
                _ = try await client.manifest(Reference("\(server.name)/a/b@\(other)"))
            }
            #expect(message.contains("expected \(other), found \(Digest.of(smallManifest))"), "\(message)")
            _ = try await RegistryClientTests.message {
                _ = try await client.document(
                    ContentDescriptor(mediaType: .configuration, digest: other, size: Int64(smallManifest.count)),
                    of: Reference("\(server.name)/a/b"))
            }
        }
    }

    @Test("sends an endless manifest, or an endless error", arguments: [200, 500] as [UInt])
    func endless(status: UInt) async throws {
        try await serve { _, _, answer in
            try await answer.head(status, Self.manifestType, length: nil)
            let piece = [UInt8](repeating: UInt8(ascii: " "), count: 64 << 10)
            while true { try await answer.bytes(piece) }
        } body: { server, client in
            let message = try await message { _ = try await manifest(server, client) }
            #expect(message.contains(status == 200 ? "BoundedJSON.maximumSize" : "status 500"), "\(message)")
        }
    }

    @Test("sends endless header fields")
    func endlessHead() async throws {
        try await serve { _, _, answer in
            let many = (0..<20_000).map { ("X-\($0)", String(repeating: "x", count: 100)) }
            try await answer.send(200, HTTPHeaders(many), smallManifest)
        } body: { server, client in
            let message = try await message { _ = try await manifest(server, client) }
            #expect(message.contains("header fields are too large"), "\(message)")
        }
    }

    @Test("trickles, or says nothing at all: it is too slow", arguments: [true, false])
    func trickles(hasHead: Bool) async throws {
        var hasty = home
        hasty.options.limits.attempts = 1
        hasty.options.limits.responseTime = .seconds(1)
        hasty.options.limits.rateWindow = .seconds(1)
        let counter = Counter()
        try await ScriptedServer.run { request, answer in
            if request.path == "/v2/" { return try await answer.send(200) }
            _ = counter.next()
            if hasHead { try await answer.head(200, Self.manifestType, length: 1 << 20) }
            while true {
                try await Task.sleep(for: .milliseconds(100))
                if hasHead { try await answer.bytes([32]) }
            }
        } body: { server in
            try await hasty.withClient { client in
                let message = try await message { _ = try await manifest(server, client) }
                #expect(message.contains("is too slow: \(hasHead ? "" : "no answer")"), "\(message)")
            }
        }
    }

    @Test(
        "answers with something else than a manifest",
        arguments: [
            ("text/html", "<html>", "no manifest"),
            ("application/json", #"{"schemaVersion": 1, "fsLayers": []}"#, "schema 1"),
            ("application/json", #"{"manifests": [], "layers": []}"#, "neither"),
        ])
    func otherContent(type: String, body: String, hint: String) async throws {
        try await serve { _, _, answer in
            try await answer.send(200, ["Content-Type": type], body)
        } body: { server, client in
            let message = try await message { _ = try await manifest(server, client) }
            #expect(message.contains(hint), "\(message)")
        }
    }

    @Test("does not say what a manifest is: the document does")
    func sniffs() async throws {
        try await serve { request, _, answer in
            let body = request.path.hasSuffix("/1") ? smallManifest : Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)
            try await answer.send(200, ["Content-Type": "application/json"], body)
        } body: { server, client in
            let (first, second) = (
                try await manifest(server, client), try await client.manifest(Reference("\(server.name)/a/b:2"))
            )
            #expect(first.mediaType == .manifest)
            #expect(second.mediaType == .index)
        }
    }
}

/// Counts from 0, for scripts.
final class Counter: Sendable {
    private let value = Mutex(0)

    func next() -> Int {
        value.withLock { value in
            defer { value += 1 }
            return value
        }
    }
}
