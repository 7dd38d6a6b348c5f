import DiskImage
import Hashing
import ImageStore
import LinuxSystem
import OCI

/// An image that was brought in.
public struct ImportedImage: Hashable, Sendable {
    /// The references that now name it; perhaps none.
    public let references: [Reference]
    /// The digest of its manifest.
    public let digest: Digest

    /// What the image can be run by: its first reference, or the digest.
    public var name: String { references.first?.familiar ?? digest.description }
}

/// Brings images into the store: from archives of `docker save` and OCI layouts, as files, pipes or directories,
/// compressed or not; and from registries.
///
/// All is checked before anything becomes visible: an import that fails leaves the store as it was.
public struct ImageImporter: Sendable {
    let store: ImageStore
    let limits: ImportLimits
    let progress: @Sendable (ImportEvent) -> Void

    /// How often layers that others remove during an import are fetched anew.
    private static let attempts = 8

    /// Makes an importer into a store.
    /// - Parameter progress: is told what happens, on any thread.
    public init(
        store: ImageStore, limits: ImportLimits = ImportLimits(),
        progress: @escaping @Sendable (ImportEvent) -> Void = { _ in }
    ) {
        self.store = store
        self.limits = limits
        self.progress = progress
    }

    /// Loads all images of an archive. Blocks the calling thread and uses further threads.
    /// - Parameters:
    ///   - workspace: where half-made things go; what is left of them goes with it.
    ///   - name: the reference for the archive's one image, in place of those in the archive.
    ///   - platform: what the images must run on; of several images of one name that is chosen.
    /// - Returns: the images in the order of the archive.
    public func load(
        _ input: ArchiveInput, in workspace: Workspace, as name: Reference? = nil, for platform: Platform = .host
    ) throws(ImageImportError) -> [ImportedImage] {
        let cancellation = Cancellation()
        if let name, name.digest != nil { throw .nameWithDigest(name) }
        let files = try ArchiveFiles.open(input, workspace: workspace, limits: limits, cancellation: cancellation)
        var images = try IncomingImage.readAll(in: files, for: platform, limits)
        if let name {
            guard images.count == 1 else { throw .severalImages(count: images.count) }
            images[0].names = [name]
        }
        let references = images.reduce(0) { $0 + $1.names.count }
        guard references <= limits.references else {
            throw .limit("an archive of \(references) references", name: "references", value: "\(limits.references)")
        }
        return try importAll(images, into: workspace, cancellation)
    }

    /// Unpacks what the store lacks of these images, and publishes them.
    func importAll(
        _ images: [IncomingImage], into workspace: Workspace, _ cancellation: Cancellation
    ) throws(ImageImportError) -> [ImportedImage] {
        var sizes: [Digest: Int64] = [:]
        for _ in 0..<Self.attempts {
            try importLayers(of: images, into: workspace, sizes: &sizes, cancellation)
            var ready: [NewImage] = []
            for image in images {
                if let image = try finish(image, sizes: sizes, in: workspace) { ready.append(image) }
            }
            guard ready.count == images.count else { continue }
            ready = merged(ready)
            let missing = try reporting { () throws(ImageStoreError) in try store.publish(ready, from: workspace) }
            if missing.isEmpty {
                return ready.map { ImportedImage(references: $0.references, digest: $0.record.digest) }
            }
        }
        throw .removedMeanwhile
    }

    /// Unpacks the layers that neither the store nor the workspace has, and learns the size of each.
    private func importLayers(
        of images: [IncomingImage], into workspace: Workspace, sizes: inout [Digest: Int64],
        _ cancellation: Cancellation
    ) throws(ImageImportError) {
        var jobs: [LayerImport] = []
        var seen: Set<Digest> = []
        for image in images {
            for layer in image.layers where seen.insert(layer.diffID).inserted {
                let isThere = store.hasLayer(layer.diffID) || workspace.hasLayer(layer.diffID)
                // A manifest that is still to be written needs the size.
                let isKnown = image.manifest != nil || sizes[layer.diffID] != nil
                if isThere && isKnown { continue }
                jobs.append(
                    LayerImport(
                        layer: layer, workspace: isThere ? nil : workspace, limits: limits, cancellation: cancellation))
            }
        }
        for job in jobs { if case .download(let download) = job.layer.content { download.begin() } }
        let lengths = try inParallel(jobs, cancellation) { job throws(ImageImportError) in
            let length = try job.run()
            progress(.unpacked(job.layer.descriptor?.digest ?? job.layer.diffID))
            return length
        }
        for (job, length) in zip(jobs, lengths) { sizes[job.layer.diffID] = length }
    }

    /// Makes an image's disk and its record; `nil` when another process has removed a layer meanwhile.
    private func finish(
        _ image: IncomingImage, sizes: [Digest: Int64], in workspace: Workspace
    ) throws(ImageImportError) -> NewImage? {
        let diffIDs = image.layers.map(\.diffID)
        guard let chain = Digest.chain(of: diffIDs),
            let metadata = try makeDisk(chain, diffIDs, in: workspace)
        else { return nil }
        var size = metadata
        for diffID in diffIDs {
            guard let length = store.dataLength(diffID, in: workspace) else { return nil }
            size += length
        }
        let manifest = if let manifest = image.manifest { manifest } else { try writeManifest(image, sizes) }
        let record = ImageRecord(
            digest: manifest.digest, mediaType: manifest.mediaType, configuration: image.configurationDigest,
            layers: diffIDs, chain: chain, platform: image.configuration.platform,
            created: image.configuration.created, size: size)
        return NewImage(
            record: record, manifest: manifest.bytes, configuration: image.configurationBytes, references: image.names)
    }

    /// Writes the metadata of a disk where it is missing.
    /// - Returns: its length in bytes; `nil` when a layer is missing.
    private func makeDisk(
        _ chain: Digest, _ diffIDs: [Digest], in workspace: Workspace
    ) throws(ImageImportError) -> Int64? {
        if let length = store.metadataLength(chain, in: workspace) { return length }
        var layers: [LayerIndex] = []
        for diffID in diffIDs {
            let bytes = try reporting { () throws(ImageStoreError) in
                try store.layerIndex(diffID, in: workspace, limit: limits.layer.indexBytes)
            }
            guard let bytes else { return nil }
            do { layers.append(try LayerIndex(decoding: bytes)) } catch { throw .disk(error) }
        }
        let file = try reporting { () throws(ImageStoreError) in try workspace.makeMetadata(chain) }
        let length: Int64
        do { length = try ImageDisk.write(layers: layers, to: file) } catch { throw .disk(error) }
        try reporting { () throws(SystemError) in try file.synchronize() }
        return length
    }

    /// The manifest of an image that came without one: it names the layers as they are uncompressed, so that the same
    /// image has the same digest however it was packed.
    private func writeManifest(
        _ image: IncomingImage, _ sizes: [Digest: Int64]
    ) throws(ImageImportError) -> IncomingImage.CheckedDocument {
        let manifest = Manifest(
            config: ContentDescriptor(
                mediaType: .configuration, digest: image.configurationDigest,
                size: Int64(image.configurationBytes.count)),
            layers: image.layers.map { layer in
                ContentDescriptor(mediaType: .layer, digest: layer.diffID, size: sizes[layer.diffID] ?? 0)
            })
        let bytes = try reporting { () throws(OCIError) in try BoundedJSON.encode(manifest) }
        return .init(digest: .of(bytes), mediaType: .manifest, bytes: bytes)
    }

    /// One image for each digest, with the references of all. What names several is the last one's, as in Docker.
    private func merged(_ images: [NewImage]) -> [NewImage] {
        var merged: [NewImage] = []
        for image in images {
            if let place = merged.firstIndex(where: { $0.record.digest == image.record.digest }) {
                merged[place].references += image.references
            } else {
                merged.append(image)
            }
        }
        var taken: Set<Reference> = []
        for place in merged.indices.reversed() { merged[place].references.removeAll { !taken.insert($0).inserted } }
        return merged
    }
}
