/// What a blob is: the media types of the OCI image specification and Docker's equivalents.
public struct MediaType: RawRepresentable, Hashable, Sendable, Codable {
    /// The text, for example `application/vnd.oci.image.manifest.v1+json`.
    public let rawValue: String

    /// Any text; see ``kind`` for what it means here.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// What can be done with a blob.
    public enum Kind: Sendable {
        case index
        case manifest
        case configuration
        /// A tar archive, whatever its compression.
        case layer
        case unknown
    }

    /// What the text says the blob is. Parameters after a semicolon are ignored.
    public var kind: Kind {
        let text = rawValue.prefix { $0 != ";" }.filter { $0 != " " }
        switch text {
        case Self.index.rawValue, "application/vnd.docker.distribution.manifest.list.v2+json": return .index
        case Self.manifest.rawValue, "application/vnd.docker.distribution.manifest.v2+json": return .manifest
        case Self.configuration.rawValue, "application/vnd.docker.container.image.v1+json": return .configuration
        default: return Self.layerTypes.contains(text) ? .layer : .unknown
        }
    }

    /// An OCI image index.
    public static let index = MediaType(rawValue: "application/vnd.oci.image.index.v1+json")
    /// An OCI image manifest.
    public static let manifest = MediaType(rawValue: "application/vnd.oci.image.manifest.v1+json")
    /// An OCI image configuration.
    public static let configuration = MediaType(rawValue: "application/vnd.oci.image.config.v1+json")
    /// An uncompressed layer.
    public static let layer = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar")
    /// A layer compressed with gzip.
    public static let gzipLayer = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+gzip")
    /// A layer compressed with zstd.
    public static let zstdLayer = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+zstd")

    private static let layerTypes: Set<String> = {
        let oci = ["layer.v1.tar", "layer.nondistributable.v1.tar"].flatMap { name in
            ["", "+gzip", "+zstd"].map { "application/vnd.oci.image.\(name)\($0)" }
        }
        // Docker writes the compression with a dot; buildah, with a plus or zstd, in the same name space.
        let docker = ["rootfs.diff.tar", "rootfs.foreign.diff.tar"].flatMap { name in
            ["", ".gzip", "+gzip", ".zstd", "+zstd"].map { "application/vnd.docker.image.\(name)\($0)" }
        }
        return Set(oci + docker + ["application/vnd.docker.container.image.rootfs.diff+x-gtar"])
    }()
}
