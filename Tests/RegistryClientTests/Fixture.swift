import Foundation
import Hashing
import NIOCore
import OCI
import Synchronization
import Testing

@testable import RegistryClient

/// A folder that goes with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/sandpiper-registry-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ text: String, to name: String, mode: Int = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }
}

/// A user's home, with limits that suit a test's patience.
struct TestHome {
    let folder: TemporaryFolder
    var options: RegistryOptions

    init() throws {
        folder = try TemporaryFolder()
        options = RegistryOptions(
            home: folder.path + "/home",
            environment: ["HOME": folder.path, "PATH": "\(folder.path)/bin:/usr/bin:/bin"])
        options.limits.firstPause = .milliseconds(20)
        options.limits.attempts = 3
        options.limits.rateWindow = .seconds(10)
    }

    /// Lets `body` use a client.
    func withClient<Result>(_ body: (RegistryClient) async throws -> Result) async throws -> Result {
        let client = try RegistryClient(options)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }
}

/// Keeps a blob in memory.
actor MemorySink: BlobSink {
    private(set) var bytes: [UInt8] = []
    var count: Int64 { Int64(bytes.count) }

    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    func write(_ piece: ByteBuffer) { bytes += piece.readableBytesView }
}

/// Gives a blob from memory, and counts how often.
final class MemorySource: BlobSource {
    private let content: [UInt8]
    private let starts = Mutex(0)
    var startCount: Int { starts.withLock { $0 } }

    init(_ content: [UInt8]) { self.content = content }

    func bytes() -> AsyncStream<ByteBuffer> {
        starts.withLock { $0 += 1 }
        var rest = content[...]
        let pieces = AsyncStream<ByteBuffer>.makeStream()
        while !rest.isEmpty {
            pieces.continuation.yield(ByteBuffer(bytes: rest.prefix(64 << 10)))
            rest = rest.dropFirst(64 << 10)
        }
        pieces.continuation.finish()
        return pieces.stream
    }
}

/// Content that differs everywhere.
func content(_ size: Int) throws -> [UInt8] {
    Array(try #require(try FileHandle(forReadingAtPath: "/dev/urandom")?.read(upToCount: size)))
}

extension ContentDescriptor {
    init(of bytes: [UInt8], _ type: MediaType = .layer) {
        self.init(mediaType: type, digest: .of(bytes), size: Int64(bytes.count))
    }
}

/// A manifest without layers.
let smallManifest = Array(
    """
    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
    "application/vnd.oci.image.config.v1+json","digest":"sha256:\(String(repeating: "0", count: 64))","size":2},"layers":[]}
    """.utf8)

/// What the client said when `body` failed.
func message(_ body: () async throws -> Void) async throws -> String {
    let error = await #expect(throws: RegistryError.self) { try await body() }
    return try #require(error).description
}
