import CZstd
import Hashing
import OCI

/// Writes an archive, always the same for the same content.
public final class ArchiveWriter {
    /// Takes the next bytes.
    public typealias Sink = (UnsafeRawBufferPointer) throws -> Void

    private static let level: Int32 = 3

    private let sink: Sink
    private var all = ContentHasher(.sha256)
    // Made in init, freed in deinit, used by one thread at a time.
    private let context: OpaquePointer
    private let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: ArchiveFormat.mostStored, alignment: 64)

    /// A writer that has written nothing.
    public init(_ sink: @escaping Sink) throws {
        guard let context = ZSTD_createCCtx() else {
            throw SnapshotArchiveError.refused("there is no memory to write the archive")
        }
        self.context = context
        self.sink = sink
    }

    deinit {
        ZSTD_freeCCtx(context)
        stored.deallocate()
    }

    /// Writes the beginning.
    /// - Parameter manifest: at most ``ArchiveFormat/mostManifest`` bytes.
    public func begin(_ manifest: [UInt8]) throws {
        guard manifest.count <= ArchiveFormat.mostManifest else {
            throw SnapshotArchiveError.unfit("what is to be said of the snapshot is longer than an archive may have it")
        }
        var hasher = ContentHasher(.sha256)
        manifest.withUnsafeBytes { hasher.update($0) }
        try write(ArchiveFormat.magic + ArchiveFormat.bytes(ArchiveFormat.version))
        try write(ArchiveFormat.bytes(UInt32(manifest.count)))
        try write(manifest)
        try write(Self.bytes(of: hasher.finish()))
    }

    /// Writes the content of a file.
    public func write(_ content: SparseContent) throws {
        var hasher = ContentHasher(.sha256)
        try content.forEachBlock { block, offset in
            let place = ArchiveFormat.bytes(UInt64(offset)) + ArchiveFormat.bytes(UInt32(block.count))
            place.withUnsafeBytes { hasher.update($0) }
            hasher.update(block)
            let count = ZSTD_compressCCtx(
                context, stored.baseAddress, stored.count, block.baseAddress, block.count, Self.level)
            guard ZSTD_isError(count) == 0 else { throw SnapshotArchiveError.unfit("zstd does not compress a block") }
            try write(place + ArchiveFormat.bytes(UInt32(count)))
            try write(UnsafeRawBufferPointer(rebasing: stored[..<count]))
        }
        try write(ArchiveFormat.bytes(ArchiveFormat.endOfBlocks) + [UInt8](repeating: 0, count: 8))
        try write(Self.bytes(of: hasher.finish()))
    }

    /// Writes the end.
    public func finish() throws {
        try write(ArchiveFormat.endMagic)
        let digest = all.finish()
        try write(Self.bytes(of: digest))
    }

    private func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        all.update(bytes)
        try sink(bytes)
    }

    private static func bytes(of digest: Digest) -> [UInt8] {
        let digits = Array(digest.hex.utf8).map { $0 < 0x40 ? $0 &- 0x30 : $0 &- 0x57 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
