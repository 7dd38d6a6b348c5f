import Hashing
import ImageStore
import OCI

/// An image of the store, to be given out: its documents, byte for byte, and its layers.
public struct OutgoingImage: Sendable {
    /// The names under which it is given out; perhaps none.
    public let names: [Reference]
    /// What the manifest is: type, digest, size, and the platform of the image.
    public let descriptor: ContentDescriptor
    /// The manifest. It is the one in the store, unless that describes a layer in a compression which the store has not
    /// kept, as when two images hold the same layer in different ones.
    public let manifest: [UInt8]
    /// What the configuration is: type, digest, size.
    public let configurationDescriptor: ContentDescriptor
    /// The configuration.
    public let configuration: [UInt8]
    /// Lowest first.
    public let layers: [LayerSource]

    /// Gathers what is needed to give an image out.
    /// - Parameter names: the names to give it out under.
    /// - Throws: ``ImageExportError``; ``ImageStoreError/notFound(_:similar:)`` in it when the image was removed.
    public init(_ image: StoredImage, names: [Reference]) throws(ImageExportError) {
        let record = image.record
        let stored = try reporting { () throws(ImageStoreError) in try image.manifest }
        configuration = try reporting { () throws(ImageStoreError) in try image.configurationBytes }
        try Self.check(stored, record.digest, "the manifest of \(image.name)")
        try Self.check(configuration, record.configuration, "the configuration of \(image.name)")
        let manifest = try reporting { () throws(OCIError) in try Manifest(decoding: stored) }
        guard manifest.layers.count == record.layers.count, manifest.config.digest == record.configuration else {
            throw .damaged("image \(image.name)", reason: "its record and its manifest contradict each other")
        }
        var layers: [LayerSource] = []
        for (diffID, wanted) in zip(record.layers, manifest.layers) {
            layers.append(try LayerSource(diffID, of: image, wanted: wanted))
        }
        self.names = names
        self.layers = layers
        if layers.map(\.descriptor) == manifest.layers {
            self.manifest = stored
            configurationDescriptor = manifest.config
            descriptor = Self.describe(stored, record.digest, record.mediaType, record.platform)
        } else {
            let changed = RewrittenManifest(manifest, layers: layers.map(\.descriptor))
            self.manifest = try reporting { () throws(OCIError) in try BoundedJSON.encode(changed) }
            configurationDescriptor = changed.config
            descriptor = Self.describe(self.manifest, .of(self.manifest), .manifest, record.platform)
        }
    }

    /// The manifest with these descriptions of its layers.
    func manifest(layers: [ContentDescriptor]) throws(ImageExportError) -> [UInt8] {
        try reporting { () throws(OCIError) in
            try BoundedJSON.encode(RewrittenManifest(Manifest(decoding: manifest), layers: layers))
        }
    }

    private static func check(_ bytes: [UInt8], _ expected: Digest, _ what: String) throws(ImageExportError) {
        let found = Digest.of(bytes, expected.algorithm)
        guard found == expected else { throw .damaged(what, reason: "its digest is \(found), not \(expected)") }
    }

    private static func describe(
        _ bytes: [UInt8], _ digest: Digest, _ type: MediaType, _ platform: Platform
    ) -> ContentDescriptor {
        let isKnown = !platform.os.isEmpty && !platform.architecture.isEmpty
        return ContentDescriptor(
            mediaType: type, digest: digest, size: Int64(bytes.count), platform: isKnown ? platform : nil)
    }
}

/// A manifest with other layers than it had, in the types of the OCI specification throughout: Docker's own do not know
/// all compressions.
struct RewrittenManifest: Encodable {
    let schemaVersion = 2
    let mediaType = MediaType.manifest
    let config: ContentDescriptor
    let layers: [ContentDescriptor]
    let annotations: [String: String]?

    init(_ manifest: Manifest, layers: [ContentDescriptor]) {
        var config = manifest.config
        config.mediaType = .configuration
        self.config = config
        self.layers = layers.map { layer in
            var layer = layer
            layer.mediaType = Self.type(layer.mediaType)
            return layer
        }
        annotations = manifest.annotations
    }

    /// The OCI specification's type for a layer in one of Docker's.
    private static func type(_ type: MediaType) -> MediaType {
        guard type.rawValue.hasPrefix("application/vnd.docker.") else { return type }
        if type.rawValue.hasSuffix("gzip") { return .gzipLayer }
        return type.rawValue.hasSuffix("zstd") ? .zstdLayer : .layer
    }
}
