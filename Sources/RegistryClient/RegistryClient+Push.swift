import AsyncHTTPClient
import Hashing
import NIOCore
import NIOHTTP1
import OCI

extension RegistryClient {
    /// Whether the reference's repository has a blob.
    /// - Throws: ``RegistryError``.
    public func hasBlob(_ digest: Digest, in reference: Reference) async throws(RegistryError) -> Bool {
        let registry = try registry(reference.registry)
        return try await repeating { () throws(AttemptFailure) in
            try await self.hasBlob(digest, reference, at: registry)
        }
    }

    /// Brings a blob into the reference's repository unless it is there.
    /// - Parameters:
    ///   - otherPath: a repository of the same registry that may have the blob, to take it from there.
    ///   - source: the blob's bytes, from the beginning for each attempt.
    /// - Throws: ``RegistryError``; what the source throws as ``RegistryError/local(_:)``.
    @discardableResult
    public func uploadBlob(
        _ descriptor: ContentDescriptor, to reference: Reference, mountableFrom otherPath: String? = nil,
        from source: some BlobSource
    ) async throws(RegistryError) -> UploadOutcome {
        let registry = try registry(reference.registry)
        let upload = BlobUpload(
            session: session, limits: options.limits, remote: registry, descriptor: descriptor, reference: reference)
        return try await repeating { () throws(AttemptFailure) in
            if try await self.hasBlob(descriptor.digest, reference, at: registry) { return .existed }
            guard let place = try await upload.begin(mountableFrom: otherPath) else { return .mounted }
            try await upload.finish(at: try await upload.send(source, to: place))
            return .uploaded
        }
    }

    /// Puts a manifest or index under the reference's tag, or under its digest when the reference has no tag.
    /// - Returns: the digest, SHA-256 unless the reference has another one.
    /// - Throws: ``RegistryError``.
    @discardableResult
    public func putManifest(
        _ bytes: [UInt8], mediaType: MediaType, to reference: Reference
    ) async throws(RegistryError) -> Digest {
        let what = "manifest of \(reference)"
        let digest = Digest.of(bytes, reference.digest?.algorithm ?? .sha256)
        if let expected = reference.digest, expected != digest {
            throw .mismatch(what, expected: "\(expected)", found: "\(digest)")
        }
        let registry = try registry(reference.registry)
        let call = RegistryCall(
            method: .PUT, target: .path("\(reference.path)/manifests/\(reference.tag ?? "\(digest)")"),
            headers: ["Content-Type": mediaType.rawValue], body: .bytes(bytes), scopes: [.push(reference.path)],
            accepted: [200, 201, 202, 204], what: what)
        return try await repeating { () throws(AttemptFailure) in
            try await session.attempt(call, at: registry) { response, _ in
                if let text = response.headers.first(name: "Docker-Content-Digest"), let stored = try? Digest(text),
                    stored.algorithm == digest.algorithm, stored != digest
                {
                    throw RegistryError.mismatch(what, expected: "\(digest)", found: "\(stored)")
                }
                return digest
            }
        }
    }

    private func hasBlob(
        _ digest: Digest, _ reference: Reference, at registry: Remote
    ) async throws(AttemptFailure) -> Bool {
        var call = Self.blobCall(digest, reference, "blob \(digest.short) of \(reference)")
        call.method = .HEAD
        call.accepted = [200, 404]
        // One token is to do for all of a push.
        call.scopes = [.push(reference.path)]
        return try await session.attempt(call, at: registry) { response, _ in response.status.code == 200 }
    }
}
