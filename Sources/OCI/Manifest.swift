/// An image of one platform: its configuration and its layers, lowest first.
///
/// OCI image specification, "Image Manifest", and Docker's "Image Manifest V 2, Schema 2".
public struct Manifest: Hashable, Sendable, Codable {
    /// Always 2.
    public let schemaVersion: Int
    /// What the document says it is.
    public let mediaType: MediaType?
    /// The configuration's blob.
    public let config: ContentDescriptor
    /// The layers' blobs, lowest first.
    public let layers: [ContentDescriptor]
    /// Further facts.
    public let annotations: [String: String]?

    /// Makes an OCI manifest.
    public init(config: ContentDescriptor, layers: [ContentDescriptor]) {
        schemaVersion = 2
        mediaType = .manifest
        self.config = config
        self.layers = layers
        annotations = nil
    }

    /// Reads a manifest and checks that all it names is of the right kind.
    /// - Throws: ``OCIError/invalidDocument(_:reason:)``.
    public init(decoding bytes: [UInt8], document: String = "image manifest") throws(OCIError) {
        func refuse(_ reason: String) -> OCIError { .invalidDocument(document, reason: reason) }
        let manifest = try BoundedJSON.decode(Manifest.self, from: bytes, document: document)
        guard manifest.schemaVersion == 2 else {
            throw refuse("schema version \(manifest.schemaVersion) is not supported, only 2")
        }
        if let type = manifest.mediaType, type.kind != .manifest { throw refuse("it says it is \(type.rawValue)") }
        guard manifest.config.mediaType.kind == .configuration else {
            throw refuse("it is no container image: its configuration is \(manifest.config.mediaType.rawValue)")
        }
        if let layer = manifest.layers.first(where: { $0.mediaType.kind != .layer }) {
            throw refuse("layer \(layer.digest.short) is of an unsupported type, \(layer.mediaType.rawValue)")
        }
        self = manifest
    }
}
