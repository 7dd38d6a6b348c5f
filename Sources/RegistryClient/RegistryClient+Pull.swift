import AsyncHTTPClient
import Hashing
import NIOCore
import NIOHTTP1
import OCI

extension RegistryClient {
    /// The manifest or index that `digest`, else the reference's own digest, else its tag names. Mirrors are asked
    /// first. The bytes are what the digest says.
    /// - Throws: ``RegistryError``; ``RegistryError/mismatch(_:expected:found:)`` when they are not.
    public func manifest(
        _ reference: Reference, digest: Digest? = nil
    ) async throws(RegistryError) -> FetchedDocument {
        let digest = digest ?? reference.digest
        let what = "manifest of \(reference)"
        var headers = HTTPHeaders()
        for type in Self.manifestTypes { headers.add(name: "Accept", value: type) }
        let call = RegistryCall(
            target: .path("\(reference.path)/manifests/\(digest?.description ?? reference.tag ?? "latest")"),
            headers: headers, scopes: [.pull(reference.path)], what: what)
        return try await pull(reference) { remote throws(AttemptFailure) in
            try await session.attempt(call, at: remote) { response, meter in
                let bytes = try await response.collect(
                    meter, limit: ("BoundedJSON.maximumSize", BoundedJSON.maximumSize), what)
                // Without a digest to go by, the registry's own at least tells damage on the way.
                let announced = response.headers.first(name: "Docker-Content-Digest").flatMap { try? Digest($0) }
                let found = try Self.check(bytes, digest ?? announced, what)
                let type = response.headers.first(name: "Content-Type") ?? ""
                return FetchedDocument(
                    bytes: bytes, mediaType: try Self.mediaType(type, of: bytes, what, host: remote.name),
                    digest: digest ?? (found.algorithm == .sha256 ? found : .of(bytes)))
            }
        }
    }

    /// A small blob, such as a configuration: at most ``BoundedJSON/maximumSize`` bytes, and what its digest says.
    /// - Throws: ``RegistryError``.
    public func document(
        _ descriptor: ContentDescriptor, of reference: Reference
    ) async throws(RegistryError) -> [UInt8] {
        let what = "blob \(descriptor.digest.short) of \(reference)"
        guard descriptor.size <= BoundedJSON.maximumSize else {
            throw .limit(what, name: "BoundedJSON.maximumSize", value: "\(BoundedJSON.maximumSize) bytes")
        }
        let call = Self.blobCall(descriptor.digest, reference, what)
        return try await pull(reference) { remote throws(AttemptFailure) in
            try await session.attempt(call, at: remote) { response, meter in
                let bytes = try await response.collect(
                    meter, limit: ("BoundedJSON.maximumSize", BoundedJSON.maximumSize), what)
                guard bytes.count == descriptor.size else {
                    throw RegistryError.mismatch(
                        what, expected: "\(descriptor.size) bytes", found: "\(bytes.count) bytes")
                }
                _ = try Self.check(bytes, descriptor.digest, what)
                return bytes
            }
        }
    }

    /// Streams a blob into a sink, from the sink's count to the descriptor's size. A broken connection is continued
    /// where it broke, from the beginning where the registry cannot do that: what the sink has got is then skipped.
    /// Nothing is hashed: that is for the reader of the sink.
    /// - Throws: ``RegistryError``; what the sink throws as ``RegistryError/local(_:)``.
    public func download(
        _ descriptor: ContentDescriptor, of reference: Reference, into sink: some BlobSink
    ) async throws(RegistryError) {
        let download = BlobDownload(
            descriptor: descriptor, what: "layer \(descriptor.digest.short) of \(reference)", sink: sink)
        try await pull(reference, progress: { await sink.count }) { remote throws(AttemptFailure) in
            let count = await sink.count
            guard count < descriptor.size else { return }
            var call = Self.blobCall(descriptor.digest, reference, download.what)
            call.accepted = [200, 206, 416]
            if count > 0 { call.headers.add(name: "Range", value: "bytes=\(count)-\(descriptor.size - 1)") }
            let isRefused = try await session.attempt(call, at: remote) { response, meter in
                if response.status.code == 416 { return true }
                try await download.read(response, meter, from: count, host: remote.name)
                return false
            }
            guard isRefused else { return }
            // The registry has the blob but not a part of it.
            call.headers.remove(name: "Range")
            call.accepted = [200]
            try await session.attempt(call, at: remote) { response, meter in
                try await download.read(response, meter, from: count, host: remote.name)
            }
        }
    }

    static func blobCall(_ digest: Digest, _ reference: Reference, _ what: String) -> RegistryCall {
        RegistryCall(
            target: .path("\(reference.path)/blobs/\(digest)"), scopes: [.pull(reference.path)], what: what)
    }

    /// What can be read here, the newer types first.
    private static let manifestTypes = [
        MediaType.index.rawValue, MediaType.manifest.rawValue,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]

    private static func check(_ bytes: [UInt8], _ expected: Digest?, _ what: String) throws(RegistryError) -> Digest {
        let found = Digest.of(bytes, expected?.algorithm ?? .sha256)
        guard let expected, expected != found else { return found }
        throw .mismatch(what, expected: "\(expected)", found: "\(found)")
    }

    private struct Sniffed: Decodable {
        var schemaVersion: Int?
        var mediaType: MediaType?
        var manifests, layers: [Anything]?

        struct Anything: Decodable { init(from decoder: any Decoder) throws {} }
    }

    /// What a document is: what the registry says, or the document itself where the registry says nothing of use.
    private static func mediaType(
        _ text: String, of bytes: [UInt8], _ what: String, host: String
    ) throws(RegistryError) -> MediaType {
        let said = MediaType(rawValue: text.prefix { $0 != ";" }.filter { $0 != " " })
        if said.kind == .index || said.kind == .manifest { return said }
        let document: Sniffed
        do { document = try BoundedJSON.decode(Sniffed.self, from: bytes, document: what) } catch {
            throw .invalidAnswer(what, host: host, reason: "what came is no manifest (\(text))")
        }
        guard document.schemaVersion != 1 else {
            throw .invalidAnswer(what, host: host, reason: "the image has Docker's old format, schema 1; push it anew")
        }
        if let own = document.mediaType, own.kind == .index || own.kind == .manifest { return own }
        if document.manifests != nil, document.layers == nil { return .index }
        if document.layers != nil, document.manifests == nil { return .manifest }
        throw .invalidAnswer(what, host: host, reason: "what came is neither a manifest nor an index (\(text))")
    }
}
