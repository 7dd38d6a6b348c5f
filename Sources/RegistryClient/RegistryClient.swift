import NIOCore
import OCI

/// Pulls from and pushes to registries (OCI distribution specification 1.1, Docker Registry HTTP API V2).
public struct RegistryClient: Sendable {
    /// Reads the settings and the certificates; connects to nothing yet.
    public init(_ options: RegistryOptions) throws(RegistryError) {}

    /// Closes all connections. The client is of no use afterwards.
    public func shutdown() async {}

    /// The manifest or index that `digest`, else the reference's own digest, else its tag names. Mirrors are asked
    /// first. The bytes are what the digest says.
    public func manifest(
        _ reference: Reference, digest: Digest? = nil
    ) async throws(RegistryError) -> FetchedDocument { throw .cancelled }

    /// A small blob, such as a configuration: at most ``BoundedJSON/maximumSize`` bytes, and what its digest says.
    public func document(
        _ descriptor: ContentDescriptor, of reference: Reference
    ) async throws(RegistryError) -> [UInt8] { throw .cancelled }

    /// Streams a blob into a sink, from the sink's count to the descriptor's size. A broken connection is continued.
    /// Nothing is hashed: that is for the reader of the sink.
    public func download(
        _ descriptor: ContentDescriptor, of reference: Reference, into sink: some BlobSink
    ) async throws(RegistryError) { throw .cancelled }

    /// Whether the reference's repository has a blob.
    public func hasBlob(_ digest: Digest, in reference: Reference) async throws(RegistryError) -> Bool {
        throw .cancelled
    }

    /// Brings a blob into the reference's repository unless it is there.
    /// - Parameter otherPath: a repository of the same registry that may have the blob, to take it from there.
    @discardableResult
    public func uploadBlob(
        _ descriptor: ContentDescriptor, to reference: Reference, mountableFrom otherPath: String? = nil,
        from source: some BlobSource
    ) async throws(RegistryError) -> UploadOutcome { throw .cancelled }

    /// Puts a manifest or index under the reference's tag, or under its digest when the reference has no tag.
    /// - Returns: the digest.
    @discardableResult
    public func putManifest(
        _ bytes: [UInt8], mediaType: MediaType, to reference: Reference
    ) async throws(RegistryError) -> Digest { throw .cancelled }

    /// Checks that a registry accepts a user's password, for `login`.
    public func checkCredentials(
        registry: String, username: String, password: String
    ) async throws(RegistryError) { throw .cancelled }
}
