import OCI

/// An image as an archive holds it: its documents, checked, and where its layers are.
struct ArchivedImage {
    /// The names the archive gives it.
    var names: [Reference]
    /// The manifest; `nil` in Docker's archives, which have none.
    let manifest: CheckedDocument?
    /// The configuration, byte for byte.
    let configurationBytes: [UInt8]
    let configurationDigest: Digest
    let configuration: ImageConfiguration
    /// Lowest first, at least one.
    let layers: [ArchivedLayer]

    /// A document whose digest was checked.
    struct CheckedDocument {
        let digest: Digest
        let mediaType: MediaType
        let bytes: [UInt8]
    }

    init(
        names: [Reference], manifest: CheckedDocument?, configuration bytes: [UInt8], digest: Digest,
        blobs: [(region: FileRegion, descriptor: ContentDescriptor?)], limits: ImportLimits
    ) throws(ImageImportError) {
        let name = "configuration \(digest.short)"
        let configuration = try reporting { () throws(OCIError) in
            try ImageConfiguration(decoding: bytes, document: name)
        }
        let platform = configuration.platform
        if !platform.os.isEmpty || !platform.architecture.isEmpty, Platform.host.rank(of: platform) == nil {
            throw .wrongPlatform(platform, expected: .host)
        }
        guard !blobs.isEmpty else { throw .damaged(name, reason: "the image has no layers, there is nothing to run") }
        guard blobs.count <= limits.layers else {
            throw .limit("an image with \(blobs.count) layers", name: "layers", value: "\(limits.layers)")
        }
        guard configuration.diffIDs.count == blobs.count else {
            throw .mismatch(
                name, expected: "\(blobs.count) diff ids, one for each layer", found: "\(configuration.diffIDs.count)")
        }
        self.names = names
        self.manifest = manifest
        configurationBytes = bytes
        configurationDigest = digest
        self.configuration = configuration
        layers = zip(configuration.diffIDs, blobs).map { diffID, blob in
            ArchivedLayer(diffID: diffID, region: blob.region, descriptor: blob.descriptor)
        }
    }

    /// Reads what an archive holds, whichever kind it is of. Archives of both kinds at once, as newer versions of Docker
    /// write them, are read as OCI layouts.
    static func readAll(in files: ArchiveFiles, _ limits: ImportLimits) throws(ImageImportError) -> [ArchivedImage] {
        if let layout = try OCILayout(files) { return try layout.images(limits) }
        if case .directory = files { throw .notAnArchive(reason: "the directory has no index.json") }
        if let archive = try DockerArchive(files) { return try archive.images(limits) }
        throw .notAnArchive(reason: "it has neither index.json nor manifest.json")
    }
}

/// A layer as an archive holds it.
struct ArchivedLayer: Sendable {
    /// The digest its tar archive has, uncompressed.
    let diffID: Digest
    /// Where it is.
    let region: FileRegion
    /// Digest and size that it has as it is stored; `nil` where the archive does not tell.
    let descriptor: ContentDescriptor?
}
