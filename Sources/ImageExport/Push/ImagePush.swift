import Hashing
import ImageStore
import LinuxSystem
import NIOPosix
import OCI
import RegistryClient

/// What happens during a push, for whoever watches.
public enum PushEvent: Sendable, Equatable {
    /// The image has these layers, as they will lie at the registry.
    case found(layers: [ContentDescriptor])
    /// Some of a layer has been sent, `bytes` in all.
    case sent(Digest, bytes: Int64, of: Int64)
    /// The registry has the layer now.
    case done(Digest, UploadOutcome)
}

/// Sends images of the store to registries.
public struct ImagePush: Sendable {
    private let registry: RegistryClient
    private let workspace: Workspace
    private let progress: @Sendable (PushEvent) -> Void

    /// As many uploads at once as downloads.
    private static let width = 3

    /// - Parameters:
    ///   - workspace: where layers are compressed that the store keeps uncompressed.
    ///   - progress: is told what happens, on any thread.
    public init(
        to registry: RegistryClient, in workspace: Workspace,
        progress: @escaping @Sendable (PushEvent) -> Void = { _ in }
    ) {
        self.registry = registry
        self.workspace = workspace
        self.progress = progress
    }

    /// Sends an image, layers that the registry has left out, and names it there.
    ///
    /// What came compressed is sent as it came, so that an image that was pulled keeps its digest; a layer that came
    /// uncompressed is compressed with gzip, which changes the manifest and so the digest.
    /// - Returns: the digest that the image has there.
    /// - Throws: ``ImageExportError``; then the reference names at the registry what it did before.
    public func push(_ image: StoredImage, as reference: Reference) async throws(ImageExportError) -> Digest {
        let outgoing = try await onThread { () throws(ImageExportError) in
            try OutgoingImage(image, names: [reference])
        }
        // A layer may be in an image twice.
        var seen: Set<Digest> = []
        let distinct = outgoing.layers.filter { seen.insert($0.diffID).inserted }
        var blobs: [Digest: OutgoingBlob] = [:]
        for layer in distinct {
            blobs[layer.diffID] = try await onThread { () throws(ImageExportError) in try blob(layer) }
        }
        let layers = outgoing.layers.compactMap { blobs[$0.diffID]?.descriptor }
        progress(.found(layers: layers))
        // The layers of an image that came from this registry are there in the repository it came from.
        let other = image.references.first { $0.registry == reference.registry && $0.path != reference.path }
        try await upload(distinct.compactMap { blobs[$0.diffID] }, to: reference, mountableFrom: other?.path)

        let isUnchanged = layers == outgoing.layers.map(\.descriptor)
        let manifest = isUnchanged ? outgoing.manifest : try outgoing.manifest(layers: layers)
        let type = isUnchanged ? outgoing.descriptor.mediaType : .manifest
        do {
            let configuration = OutgoingBlob(descriptor: outgoing.configurationDescriptor) {
                MemoryBytes(outgoing.configuration)
            }
            try await registry.uploadBlob(configuration.descriptor, to: reference, from: configuration)
            return try await registry.putManifest(manifest, mediaType: type, to: reference)
        } catch { throw .registry(error) }
    }

    /// A layer ready to be sent.
    private func blob(_ layer: LayerSource) throws(ImageExportError) -> OutgoingBlob {
        guard layer.descriptor.digest == layer.diffID else {
            return OutgoingBlob(descriptor: layer.descriptor) { () throws(ImageExportError) in try layer.open() }
        }
        let file = try reporting { () throws(ImageStoreError) in try workspace.anonymousFile() }
        let descriptor = try GzipCompressor.compress(layer.open(), to: file)
        return OutgoingBlob(descriptor: descriptor) { FileBytes(file) }
    }

    private func upload(
        _ blobs: [OutgoingBlob], to reference: Reference, mountableFrom path: String?
    ) async throws(ImageExportError) {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, blob) in blobs.enumerated() {
                    if number >= Self.width { try await group.next() }
                    group.addTask {
                        let digest = blob.descriptor.digest
                        let size = blob.descriptor.size
                        let counted = blob.counting { progress(.sent(digest, bytes: $0, of: size)) }
                        let outcome = try await registry.uploadBlob(
                            blob.descriptor, to: reference, mountableFrom: path, from: counted)
                        progress(.done(digest, outcome))
                    }
                }
                try await group.waitForAll()
            }
        } catch let error as RegistryError {
            if case .local(let error as ImageExportError) = error { throw error }
            throw .registry(error)
        } catch { throw .registry(.cancelled) }
    }
}

/// Runs work that blocks on a thread of its own.
private func onThread<Value: Sendable>(
    _ work: @escaping @Sendable () throws(ImageExportError) -> Value
) async throws(ImageExportError) -> Value {
    let result: Result<Value, ImageExportError>
    do { result = try await DedicatedThread.value { Result(catching: work) } } catch { throw .system(error) }
    return try result.get()
}
