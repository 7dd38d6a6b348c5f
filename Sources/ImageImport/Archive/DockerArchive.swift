import OCI

/// An archive as `docker save` wrote it until version 24, and as skopeo and buildah write `docker-archive:`.
///
/// `manifest.json` names for each image the file of its configuration and those of its layers, which older versions
/// put in directories of their own, some of them links to others (Docker image specification 1.2, "Combined Image JSON
/// + Filesystem Changeset Format").
struct DockerArchive {
    private let files: ArchiveFiles
    private let items: [Item]

    private struct Item: Decodable {
        let configuration: String
        let names: [String]?
        let layers: [String]?

        enum CodingKeys: String, CodingKey {
            case configuration = "Config"
            case names = "RepoTags"
            case layers = "Layers"
        }
    }

    /// `nil` when there is no `manifest.json`.
    init?(_ files: ArchiveFiles) throws(ImageImportError) {
        guard let bytes = try files.document("manifest.json") else { return nil }
        self.files = files
        items = try reporting { () throws(OCIError) in
            try BoundedJSON.decode([Item].self, from: bytes, document: "manifest.json")
        }
    }

    func images(
        for platform: Platform, _ limits: ImportLimits
    ) throws(ImageImportError) -> [IncomingImage] {
        guard items.count <= limits.images else {
            throw .limit("an archive of \(items.count) images", name: "images", value: "\(limits.images)")
        }
        guard !items.isEmpty else { throw .notAnArchive(reason: "manifest.json lists no image") }
        var images: [IncomingImage] = []
        var documents = DocumentBudget(limits)
        for item in items {
            guard let bytes = try files.document(item.configuration) else { throw .missing(file: item.configuration) }
            try documents.spend(Int64(bytes.count))
            let digest = Digest.of(bytes)
            if let expected = Self.digest(inName: item.configuration), expected != digest {
                throw .mismatch(item.configuration, expected: "\(expected)", found: "\(digest)")
            }
            var blobs: [IncomingImage.Blob] = []
            for name in item.layers ?? [] {
                guard let region = try files.region(name) else { throw .missing(file: name) }
                blobs.append(.init(content: .region(region), descriptor: nil))
            }
            images.append(
                try IncomingImage(
                    // What is no reference, such as `<none>:<none>`, is no name.
                    names: (item.names ?? []).compactMap { try? Reference($0) },
                    manifest: nil, configuration: bytes, digest: digest, blobs: blobs, platform: platform,
                    limits: limits))
        }
        return images
    }

    /// The digest by which most programs name the file of a configuration: `<hex>.json`, `sha256:<hex>` or
    /// `blobs/sha256/<hex>`.
    private static func digest(inName name: String) -> Digest? {
        var text = name[(name.lastIndex(of: "/").map(name.index(after:)) ?? name.startIndex)...]
        if text.hasSuffix(".json") { text = text.dropLast(5) }
        return try? Digest(text.hasPrefix("sha256:") ? String(text) : "sha256:\(text)")
    }
}
