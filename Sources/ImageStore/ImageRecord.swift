import OCI

/// What the store knows of an image without opening its configuration.
public struct ImageRecord: Hashable, Sendable, Codable {
    /// The digest of the manifest: the image's identity.
    public let digest: Digest
    /// The manifest's media type.
    public let mediaType: MediaType
    /// The digest of the configuration.
    public let configuration: Digest
    /// The digests of the uncompressed layers, lowest first.
    public let layers: [Digest]
    /// The digest of the stack of layers, which names the disk's metadata.
    public let chain: Digest
    /// What the image runs on.
    public let platform: Platform
    /// When the image was made, in RFC 3339, if it tells.
    public let created: String?
    /// The size of the image's disk in bytes: metadata and the data of all layers.
    public let size: Int64

    /// Describes an image.
    public init(
        digest: Digest, mediaType: MediaType, configuration: Digest, layers: [Digest], chain: Digest,
        platform: Platform, created: String?, size: Int64
    ) {
        self.digest = digest
        self.mediaType = mediaType
        self.configuration = configuration
        self.layers = layers
        self.chain = chain
        self.platform = platform
        self.created = created
        self.size = size
    }
}
