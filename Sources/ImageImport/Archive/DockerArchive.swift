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

    func images(_ limits: ImportLimits) throws(ImageImportError) -> [ArchivedImage] {
        guard items.count <= limits.images else {
            throw .limit("an archive of \(items.count) images", name: "images", value: "\(limits.images)")
        }
        guard !items.isEmpty else { throw .notAnArchive(reason: "manifest.json lists no image") }
        var images: [ArchivedImage] = []
        for item in items {
            guard let bytes = try files.document(item.configuration) else { throw .missing(file: item.configuration) }
            var blobs: [(region: FileRegion, descriptor: ContentDescriptor?)] = []
            for name in item.layers ?? [] {
                guard let region = try files.region(name) else { throw .missing(file: name) }
                blobs.append((region, nil))
            }
            images.append(
                try ArchivedImage(
                    // What is no reference, such as `<none>:<none>`, is no name.
                    names: (item.names ?? []).compactMap { try? Reference($0) },
                    manifest: nil, configuration: bytes, digest: .of(bytes), blobs: blobs, limits: limits))
        }
        return images
    }
}
