import OCI

/// Writes images in the layout of the OCI image specification ("Image Layout"): all blobs as they are in the store, so
/// that the digests stay what they are.
struct OCILayoutWriter {
    private struct Layout: Encodable {
        let imageLayoutVersion = "1.0.0"
    }

    let sink: any ArchiveSink

    func write(_ images: [OutgoingImage]) throws(ImageExportError) {
        try sink.addFile("oci-layout", try encode(Layout()))
        try sink.addFile("index.json", try encode(Index(manifests: entries(images))))
        try sink.addDirectory("blobs")
        let digests = images.flatMap { image in
            [image.descriptor.digest, image.configurationDescriptor.digest] + image.layers.map(\.descriptor.digest)
        }
        for algorithm in Digest.Algorithm.allCases where digests.contains(where: { $0.algorithm == algorithm }) {
            try sink.addDirectory("blobs/\(algorithm.rawValue)")
        }
        var written: Set<Digest> = []
        for image in images {
            for (descriptor, bytes) in [
                (image.descriptor, image.manifest), (image.configurationDescriptor, image.configuration),
            ] where written.insert(descriptor.digest).inserted {
                try sink.addFile(Self.path(descriptor), bytes)
            }
            for layer in image.layers where written.insert(layer.descriptor.digest).inserted {
                try sink.addFile(Self.path(layer.descriptor), size: layer.descriptor.size, from: try layer.open())
            }
        }
        try sink.finish()
    }

    /// The entries of `index.json`: one for each name, as containerd and Docker write it, or one without a name.
    private func entries(_ images: [OutgoingImage]) -> [ContentDescriptor] {
        var entries: [ContentDescriptor] = []
        for image in images {
            if image.names.isEmpty, !entries.contains(where: { $0.digest == image.descriptor.digest }) {
                entries.append(image.descriptor)
            }
            for name in image.names {
                var entry = image.descriptor
                entry.annotations = ["io.containerd.image.name": name.canonical]
                if let tag = name.tag { entry.annotations?["org.opencontainers.image.ref.name"] = tag }
                entries.append(entry)
            }
        }
        return entries
    }

    private func encode(_ value: some Encodable) throws(ImageExportError) -> [UInt8] {
        try reporting { () throws(OCIError) in try BoundedJSON.encode(value) }
    }

    private static func path(_ descriptor: ContentDescriptor) -> String {
        "blobs/\(descriptor.digest.algorithm.rawValue)/\(descriptor.digest.hex)"
    }
}
