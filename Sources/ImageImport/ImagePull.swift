import Hashing
import ImageStore
import LinuxSystem
import OCI
import RegistryClient

extension ImageImporter {
    /// Fetches an image from its registry, layers that are here already left out, and unpacks it while it arrives.
    ///
    /// Cancellation of the task ends it, and the store is as it was.
    /// - Parameters:
    ///   - workspace: where half-made things go; what is left of them goes with it.
    ///   - platform: which of the images that the reference names for several platforms.
    /// - Returns: the image, and whether anything had to be fetched.
    public func pull(
        _ reference: Reference, from registry: RegistryClient, in workspace: Workspace, for platform: Platform = .host
    ) async throws(ImageImportError) -> (image: ImportedImage, isNew: Bool) {
        let entry = try await findManifest(reference, registry, platform)
        if try await blocking({ () throws(ImageStoreError) in try store.add(reference, to: entry.digest) }) {
            return (ImportedImage(references: [reference], digest: entry.digest), false)
        }
        let manifest = try reporting { () throws(OCIError) in
            try Manifest(decoding: entry.bytes, document: "manifest \(entry.digest.short)")
        }
        for layer in manifest.layers where layer.size > limits.layerBytes {
            throw .limit("layer \(layer.digest.short)", name: "layerBytes", value: "\(limits.layerBytes)")
        }
        try IncomingImage.checkCount(ofLayers: manifest.layers.count, limits)
        let configuration: [UInt8]
        do { configuration = try await registry.document(manifest.config, of: reference) } catch {
            throw .registry(error)
        }

        let cancellation = Cancellation()
        let downloads = LayerDownloads(of: reference, from: registry, cancellation, progress: progress)
        let diffIDs = try reporting { () throws(OCIError) in try ImageConfiguration(decoding: configuration) }.diffIDs
        try IncomingImage.check(diffIDs, manifest.layers.count, in: manifest.config.digest)
        var blobs: [IncomingImage.Blob] = []
        for (layer, diffID) in zip(manifest.layers, diffIDs) {
            let file = try reporting { () throws(ImageStoreError) in try workspace.makeLayerArchive(diffID) }
            blobs.append(.init(content: .download(downloads.layer(layer, into: file)), descriptor: layer))
        }
        let image = try IncomingImage(
            names: [reference],
            manifest: .init(
                digest: entry.digest, mediaType: manifest.mediaType ?? entry.mediaType, bytes: entry.bytes),
            configuration: configuration, digest: manifest.config.digest, blobs: blobs, platform: platform,
            limits: limits)
        let present = zip(manifest.layers, diffIDs).filter { store.hasLayer($1) }.map(\.0.digest)
        progress(.found(layers: manifest.layers, present: Set(present)))

        let result = await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await downloads.run() }
                let result = await onThread { () throws(ImageImportError) in
                    try importAll([image], into: workspace, cancellation)
                }
                downloads.close()
                group.cancelAll()
                return result
            }
        } onCancel: {
            downloads.fail()
            downloads.close()
        }
        if case .failure(.cancelled) = result, let failure = downloads.failure { throw .registry(failure) }
        guard let imported = try result.get().first else { throw .cancelled }
        return (imported, true)
    }

    /// Goes from what the reference names down through indexes to the manifest for the platform.
    private func findManifest(
        _ reference: Reference, _ registry: RegistryClient, _ platform: Platform
    ) async throws(ImageImportError) -> FetchedDocument {
        var digest = reference.digest
        for _ in 0...Index.maximumNesting {
            let document: FetchedDocument
            do { document = try await registry.manifest(reference, digest: digest) } catch { throw .registry(error) }
            guard document.mediaType.kind == .index else { return document }
            digest = try reporting { () throws(OCIError) in
                try Index(decoding: document.bytes, document: "index \(document.digest.short)").choose(platform)
            }.digest
        }
        throw .nestedTooDeeply
    }
}

/// Runs work that blocks on a thread of its own.
private func onThread<Value: Sendable>(
    _ work: @escaping @Sendable () throws(ImageImportError) -> Value
) async -> Result<Value, ImageImportError> {
    do { return try await DedicatedThread.value { Result(catching: work) } } catch { return .failure(.system(error)) }
}

/// Runs work of the store that may wait for a lock on a thread of its own.
private func blocking<Value: Sendable>(
    _ work: @escaping @Sendable () throws(ImageStoreError) -> Value
) async throws(ImageImportError) -> Value {
    try await onThread { () throws(ImageImportError) in
        try reporting { () throws(ImageStoreError) in try work() }
    }.get()
}
