import NIOCore
import NIOPosix
import OCI
import RegistryClient

/// A blob to be sent, whose bytes are read in the order of sending.
struct OutgoingBlob: BlobSource {
    /// What it is.
    let descriptor: ContentDescriptor
    private let open: @Sendable () throws(ImageExportError) -> any ByteSource
    private let report: @Sendable (Int64) -> Void

    /// - Parameter open: gives the bytes from the beginning. Blocks.
    init(
        descriptor: ContentDescriptor, report: @escaping @Sendable (Int64) -> Void = { _ in },
        open: @escaping @Sendable () throws(ImageExportError) -> any ByteSource
    ) {
        self.descriptor = descriptor
        self.open = open
        self.report = report
    }

    /// The same blob, which reports how many of its bytes have been read.
    func counting(_ report: @escaping @Sendable (Int64) -> Void) -> OutgoingBlob {
        OutgoingBlob(descriptor: descriptor, report: report, open: open)
    }

    func bytes() async throws -> Pieces {
        Pieces(source: try await NIOThreadPool.singleton.runIfActive { [open] in Unshared(try open()) }, report: report)
    }

    /// A source in the hands of one task.
    ///
    /// Unchecked: it is made by ``bytes()`` for one iteration, whose calls come one after the other.
    struct Unshared: @unchecked Sendable {
        let source: any ByteSource
        init(_ source: any ByteSource) { self.source = source }
    }

    /// The bytes, read piece by piece off the pool of tasks.
    struct Pieces: AsyncSequence, Sendable {
        let source: Unshared
        let report: @Sendable (Int64) -> Void

        func makeAsyncIterator() -> Iterator { Iterator(source: source, report: report) }

        struct Iterator: AsyncIteratorProtocol {
            let source: Unshared
            let report: @Sendable (Int64) -> Void
            private var count: Int64 = 0

            init(source: Unshared, report: @escaping @Sendable (Int64) -> Void) {
                self.source = source
                self.report = report
            }

            mutating func next() async throws -> ByteBuffer? {
                let piece = try await NIOThreadPool.singleton.runIfActive { [source] in
                    var buffer = ByteBufferAllocator().buffer(capacity: 1 << 18)
                    try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1 << 18) { space in
                        try source.source.read(into: space)
                    }
                    return buffer
                }
                guard piece.readableBytes > 0 else { return nil }
                count += Int64(piece.readableBytes)
                report(count)
                return piece
            }
        }
    }
}
