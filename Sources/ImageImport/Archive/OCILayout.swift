import OCI

/// An archive or directory in the layout of the OCI image specification ("Image Layout").
struct OCILayout {
    private let files: ArchiveFiles
    private let index: Index
    private let platform: Platform

    /// `nil` when there is no `index.json`.
    init?(_ files: ArchiveFiles, for platform: Platform) throws(ImageImportError) {
        guard let bytes = try files.document("index.json") else { return nil }
        self.files = files
        self.platform = platform
        index = try reporting { () throws(OCIError) in try Index(decoding: bytes, document: "index.json") }
    }

    func images(_ limits: ImportLimits) throws(ImageImportError) -> [IncomingImage] {
        var names: [Digest: [Reference]] = [:]
        var entries: [ContentDescriptor] = []
        var documents = DocumentBudget(limits)
        for entry in try chosenEntries() {
            let manifest = try findManifest(entry, nesting: 0, &documents)
            if names[manifest.digest] == nil { entries.append(manifest) }
            names[manifest.digest, default: []] += entry.imageName.flatMap { try? Reference($0) }.map { [$0] } ?? []
        }
        guard entries.count <= limits.images else {
            throw .limit("an archive of \(entries.count) images", name: "images", value: "\(limits.images)")
        }
        var images: [IncomingImage] = []
        for entry in entries {
            images.append(try image(entry, names[entry.digest] ?? [], limits, &documents))
        }
        return images
    }

    /// The entries of `index.json` that are images of their own: of those that differ in nothing but the platform, the
    /// best one.
    private func chosenEntries() throws(ImageImportError) -> [ContentDescriptor] {
        let entries = index.manifests.filter { $0.mediaType.kind == .manifest || $0.mediaType.kind == .index }
        guard !entries.isEmpty else { throw .notAnArchive(reason: "index.json lists no image") }
        var chosen: [ContentDescriptor] = []
        var refusal: ImageImportError?
        var seen: Set<String?> = []
        for name in entries.map(\.imageName) where seen.insert(name).inserted {
            let group = entries.filter { $0.imageName == name }
            let best: ContentDescriptor
            do throws(ImageImportError) {
                best = try reporting { () throws(OCIError) in try Index(manifests: group).choose(platform) }
            } catch {
                refusal = refusal ?? error
                continue
            }
            if name != nil {
                chosen.append(best)
            } else {
                // Without names nothing says that two images for one platform, or for none, are the same thing.
                chosen += group.filter { $0.platform == best.platform }
            }
        }
        if chosen.isEmpty, let refusal { throw refusal }
        return chosen
    }

    /// Goes down through indexes to the manifest for this host.
    private func findManifest(
        _ entry: ContentDescriptor, nesting: Int, _ documents: inout DocumentBudget
    ) throws(ImageImportError) -> ContentDescriptor {
        guard entry.mediaType.kind == .index else { return entry }
        guard nesting < Index.maximumNesting else { throw .nestedTooDeeply }
        let bytes = try blob(entry, &documents)
        let inner = try reporting { () throws(OCIError) in
            try Index(decoding: bytes, document: "index \(entry.digest.short)").choose(platform)
        }
        return try findManifest(inner, nesting: nesting + 1, &documents)
    }

    private func image(
        _ entry: ContentDescriptor, _ names: [Reference], _ limits: ImportLimits, _ documents: inout DocumentBudget
    ) throws(ImageImportError) -> IncomingImage {
        let bytes = try blob(entry, &documents)
        let manifest = try reporting { () throws(OCIError) in
            try Manifest(decoding: bytes, document: "manifest \(entry.digest.short)")
        }
        // Each one is a file to be opened.
        try IncomingImage.checkCount(ofLayers: manifest.layers.count, limits)
        var blobs: [IncomingImage.Blob] = []
        for layer in manifest.layers {
            blobs.append(.init(content: .region(try region(layer)), descriptor: layer))
        }
        return try IncomingImage(
            names: names,
            manifest: .init(digest: entry.digest, mediaType: manifest.mediaType ?? entry.mediaType, bytes: bytes),
            configuration: try blob(manifest.config, &documents), digest: manifest.config.digest, blobs: blobs,
            platform: platform, limits: limits)
    }

    private func region(_ descriptor: ContentDescriptor) throws(ImageImportError) -> FileRegion {
        let name = "blobs/\(descriptor.digest.algorithm.rawValue)/\(descriptor.digest.hex)"
        guard let region = try files.region(name) else { throw .missing(file: name) }
        guard region.length == descriptor.size else {
            throw .mismatch(name, expected: "\(descriptor.size) bytes", found: "\(region.length)")
        }
        return region
    }

    /// A document, its digest checked.
    private func blob(
        _ descriptor: ContentDescriptor, _ documents: inout DocumentBudget
    ) throws(ImageImportError) -> [UInt8] {
        let region = try region(descriptor)
        guard let bytes = try files.document(region.name) else { throw .missing(file: region.name) }
        try documents.spend(Int64(bytes.count))
        let found = Digest.of(bytes, descriptor.digest.algorithm)
        guard found == descriptor.digest else {
            throw .mismatch(region.name, expected: "\(descriptor.digest)", found: "\(found)")
        }
        return bytes
    }
}
