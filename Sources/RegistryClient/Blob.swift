import NIOCore
import OCI

/// What takes the bytes of a blob, in order.
public protocol BlobSink: Sendable {
    /// How many bytes it has taken; a download continues there.
    var count: Int64 { get async }
    /// Takes the next bytes. The download waits for it, so that memory stays bounded.
    func write(_ bytes: ByteBuffer) async throws
}

/// What gives the bytes of a blob, from the beginning each time it is asked, since an upload may have to be repeated.
public protocol BlobSource: Sendable {
    /// The bytes in pieces of any size.
    associatedtype Bytes: AsyncSequence & Sendable where Bytes.Element == ByteBuffer
    /// The whole blob, as many bytes as its descriptor says.
    func bytes() async throws -> Bytes
}

/// A manifest or index as the registry gave it.
public struct FetchedDocument: Sendable {
    /// The document, at most ``BoundedJSON/maximumSize`` bytes.
    public let bytes: [UInt8]
    /// What it is.
    public let mediaType: MediaType
    /// Its digest: the one that was asked for, or the SHA-256 of the bytes.
    public let digest: Digest
}

/// How a blob came to be in a repository.
public enum UploadOutcome: Sendable, Equatable {
    /// It was there.
    case existed
    /// The registry took it from another of its repositories.
    case mounted
    /// Its bytes were sent.
    case uploaded
}
