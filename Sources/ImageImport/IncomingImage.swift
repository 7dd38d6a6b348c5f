import OCI

/// An image on its way in: its documents, checked, and where its layers come from.
struct IncomingImage {
    /// The references that are to name it.
    var names: [Reference]
    /// The manifest; `nil` in Docker's archives, which have none.
    let manifest: CheckedDocument?
    /// The configuration, byte for byte.
    let configurationBytes: [UInt8]
    let configurationDigest: Digest
    let configuration: ImageConfiguration
    /// Lowest first, at least one.
    let layers: [IncomingLayer]

    /// A document whose digest was checked.
    struct CheckedDocument {
        let digest: Digest
        let mediaType: MediaType
        let bytes: [UInt8]
    }

    /// A layer as it is stored elsewhere.
    struct Blob {
        let content: LayerContent
        /// Digest and size as it is stored; `nil` where nothing tells.
        let descriptor: ContentDescriptor?
    }

    /// - Parameter configuration: its bytes, which have been found to have the digest `digest`.
    init(
        names: [Reference], manifest: CheckedDocument?, configuration bytes: [UInt8], digest: Digest, blobs: [Blob],
        platform wanted: Platform, limits: ImportLimits
    ) throws(ImageImportError) {
        let name = "configuration \(digest.short)"
        let configuration = try reporting { () throws(OCIError) in
            try ImageConfiguration(decoding: bytes, document: name)
        }
        let platform = configuration.platform
        if !platform.os.isEmpty || !platform.architecture.isEmpty, wanted.rank(of: platform) == nil {
            throw .wrongPlatform(platform, expected: wanted)
        }
        guard !blobs.isEmpty else { throw .damaged(name, reason: "the image has no layers, there is nothing to run") }
        try Self.checkCount(ofLayers: blobs.count, limits)
        try Self.check(configuration.diffIDs, blobs.count, in: digest)
        self.names = names
        self.manifest = manifest
        configurationBytes = bytes
        configurationDigest = digest
        self.configuration = configuration
        layers = zip(configuration.diffIDs, blobs).map { diffID, blob in
            IncomingLayer(diffID: diffID, content: blob.content, descriptor: blob.descriptor)
        }
    }

    /// Refuses an image with more layers than it may have.
    static func checkCount(ofLayers count: Int, _ limits: ImportLimits) throws(ImageImportError) {
        guard count <= limits.layers else {
            throw .limit("an image with \(count) layers", name: "layers", value: "\(limits.layers)")
        }
    }

    /// Checks that a configuration tells a diff id for each layer.
    static func check(_ diffIDs: [Digest], _ layers: Int, in configuration: Digest) throws(ImageImportError) {
        guard diffIDs.count == layers else {
            throw .mismatch(
                "configuration \(configuration.short)", expected: "\(layers) diff ids, one for each layer",
                found: "\(diffIDs.count)")
        }
    }
}

/// A layer on its way in.
struct IncomingLayer: Sendable {
    /// The digest its tar archive has, uncompressed.
    let diffID: Digest
    /// Where its bytes come from.
    let content: LayerContent
    /// Digest and size that it has as it is stored there; `nil` where nothing tells.
    let descriptor: ContentDescriptor?
}
