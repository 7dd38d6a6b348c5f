import LinuxSystem
import NIOCore
import NIOPosix
import OCI
import RegistryClient
import Synchronization

/// A layer at a registry, downloaded when it is first needed.
final class LayerDownload: Sendable {
    let descriptor: ContentDescriptor
    /// What has been downloaded.
    let file: GrowingFile
    /// What it is, for messages.
    var name: String { "layer \(descriptor.digest.short)" }

    private let hasBegun = Atomic(false)
    private let queue: LayerDownloads
    private let progress: @Sendable (ImportEvent) -> Void

    fileprivate init(
        _ descriptor: ContentDescriptor, into file: GrowingFile, queue: LayerDownloads,
        progress: @escaping @Sendable (ImportEvent) -> Void
    ) {
        self.descriptor = descriptor
        self.file = file
        self.queue = queue
        self.progress = progress
    }

    /// Queues the download, unless that was done before.
    func begin() {
        if !hasBegun.exchange(true, ordering: .relaxed) { queue.request(self) }
    }
}

extension LayerDownload: BlobSink {
    var count: Int64 { file.count }

    func write(_ bytes: ByteBuffer) async throws {
        // Writing to a file blocks, and on event loops and in tasks nothing may.
        try await NIOThreadPool.singleton.runIfActive { [file] in
            try bytes.withUnsafeReadableBytes { try file.append($0) }
        }
        progress(.received(descriptor.digest, bytes: file.count, of: descriptor.size))
    }
}

/// The downloads of one pull, a few at a time.
final class LayerDownloads: Sendable {
    private let registry: RegistryClient
    private let reference: Reference
    private let cancellation: Cancellation
    private let progress: @Sendable (ImportEvent) -> Void
    private let requests: AsyncStream<LayerDownload>
    private let queue: AsyncStream<LayerDownload>.Continuation
    private let failed = Mutex<RegistryError?>(nil)
    private let files = Mutex<[GrowingFile]>([])

    /// As many as Docker has at once.
    private static let width = 3

    init(
        of reference: Reference, from registry: RegistryClient, _ cancellation: Cancellation,
        progress: @escaping @Sendable (ImportEvent) -> Void
    ) {
        self.registry = registry
        self.reference = reference
        self.cancellation = cancellation
        self.progress = progress
        (requests, queue) = AsyncStream.makeStream()
    }

    /// Why a download failed, when one did.
    var failure: RegistryError? { failed.withLock { $0 } }

    /// A layer to be downloaded into an empty file.
    func layer(_ descriptor: ContentDescriptor, into file: Descriptor) -> LayerDownload {
        let file = GrowingFile(file)
        files.withLock { $0.append(file) }
        return LayerDownload(descriptor, into: file, queue: self, progress: progress)
    }

    fileprivate func request(_ layer: LayerDownload) { queue.yield(layer) }

    /// Ends the import: whoever waits for any of the layers waits no longer.
    func fail() {
        cancellation.cancel()
        for file in files.withLock({ $0 }) { file.fail() }
    }

    /// Says that no further layer will be needed.
    func close() { queue.finish() }

    /// Downloads what is requested, until ``close()``.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await layer in requests {
                if running == Self.width {
                    await group.next()
                    running -= 1
                }
                group.addTask { await self.fetch(layer) }
                running += 1
            }
        }
    }

    private func fetch(_ layer: LayerDownload) async {
        do throws(RegistryError) {
            try await registry.download(layer.descriptor, of: reference, into: layer)
            layer.file.finish()
        } catch {
            failed.withLock { $0 = $0 ?? error }
            fail()
        }
    }
}
