/// A pointer to a blob: what it is, its digest and its size (OCI image specification, "Content Descriptors").
public struct ContentDescriptor: Hashable, Sendable, Codable {
    /// What the blob is; empty where a document leaves it out.
    public var mediaType: MediaType
    /// The digest of the blob.
    public var digest: Digest
    /// The size of the blob in bytes, never negative.
    public var size: Int64
    /// What the blob's image runs on; only in an index.
    public var platform: Platform?
    /// Further facts, for example a name.
    public var annotations: [String: String]?

    /// Describes a blob.
    public init(mediaType: MediaType, digest: Digest, size: Int64, platform: Platform? = nil) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.platform = platform
    }

    /// Reads a descriptor; unknown fields are ignored.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try fields.decodeIfPresent(MediaType.self, forKey: .mediaType) ?? MediaType(rawValue: "")
        digest = try fields.decode(Digest.self, forKey: .digest)
        size = try fields.decode(Int64.self, forKey: .size)
        platform = try fields.decodeIfPresent(Platform.self, forKey: .platform)
        annotations = try fields.decodeIfPresent([String: String].self, forKey: .annotations)
        guard size >= 0 else {
            throw DecodingError.dataCorruptedError(forKey: .size, in: fields, debugDescription: "a negative size")
        }
    }

    /// The name that the image was given when it was written: containerd's, which is whole, before that of the OCI
    /// specification, which may be a tag alone.
    public var imageName: String? {
        annotations?["io.containerd.image.name"] ?? annotations?["org.opencontainers.image.ref.name"]
    }
}
