import OCI

/// Writes an archive as `docker save` wrote it until version 24, which all of `docker load`, skopeo, buildah and podman
/// read: `manifest.json` names for each image the file of its configuration and its uncompressed layers (Docker image
/// specification 1.2, "Combined Image JSON + Filesystem Changeset Format").
struct DockerArchiveWriter {
    private struct Item: Encodable {
        let configuration: String
        var names: [String]
        let layers: [String]

        enum CodingKeys: String, CodingKey {
            case configuration = "Config"
            case names = "RepoTags"
            case layers = "Layers"
        }
    }

    let sink: any ArchiveSink

    func write(_ images: [OutgoingImage]) throws(ImageExportError) {
        let items = try items(images)
        try sink.addFile("manifest.json", try encode(items))
        try sink.addFile("repositories", try encode(repositories(images)))
        var written: Set<String> = []
        for image in images {
            let name = Self.configurationName(image)
            if written.insert(name).inserted { try sink.addFile(name, image.configuration) }
            for layer in image.layers {
                let directory = layer.diffID.hex
                guard written.insert(directory).inserted else { continue }
                try sink.addDirectory(directory)
                let size = try layer.uncompressedLength()
                try sink.addFile(
                    Self.layerName(layer), size: size, from: try layer.open(uncompressed: true))
            }
        }
        try sink.finish()
    }

    /// One for each configuration: that is an image's identity here.
    private func items(_ images: [OutgoingImage]) throws(ImageExportError) -> [Item] {
        var items: [Item] = []
        for image in images {
            let digests = [image.configurationDescriptor.digest] + image.layers.map(\.diffID)
            if let digest = digests.first(where: { $0.algorithm != .sha256 }) { throw .unsupportedDigest(digest) }
            let name = Self.configurationName(image)
            let tags = image.names.filter { $0.tag != nil && $0.digest == nil }.map(\.familiar)
            if let index = items.firstIndex(where: { $0.configuration == name }) {
                items[index].names += tags.filter { !items[index].names.contains($0) }
            } else {
                items.append(Item(configuration: name, names: tags, layers: image.layers.map(Self.layerName)))
            }
        }
        return items
    }

    /// For each repository and tag the directory of the highest layer.
    private func repositories(_ images: [OutgoingImage]) -> [String: [String: String]] {
        var repositories: [String: [String: String]] = [:]
        for image in images {
            guard let highest = image.layers.last?.diffID.hex else { continue }
            for name in image.names where name.digest == nil {
                guard let tag = name.tag else { continue }
                repositories[String(name.familiar.dropLast(tag.count + 1)), default: [:]][tag] = highest
            }
        }
        return repositories
    }

    private func encode(_ value: some Encodable) throws(ImageExportError) -> [UInt8] {
        try reporting { () throws(OCIError) in try BoundedJSON.encode(value) }
    }

    private static func configurationName(_ image: OutgoingImage) -> String {
        "\(image.configurationDescriptor.digest.hex).json"
    }

    private static func layerName(_ layer: LayerSource) -> String { "\(layer.diffID.hex)/layer.tar" }
}
