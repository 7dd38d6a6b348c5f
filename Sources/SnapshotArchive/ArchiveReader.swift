import CZstd
import Hashing
import OCI

/// Reads an archive from its beginning to its end, and believes nothing of it: lengths are bounded before anything is
/// made of them, and what was read counts only when ``finish()`` has found all digests right.
public final class ArchiveReader {
    /// Gives the next bytes, at most as many as the buffer holds; 0 at the end only.
    public typealias Source = (UnsafeMutableRawBufferPointer) throws -> Int

    private let source: Source
    private var all = ContentHasher(.sha256)
    // Made in init, freed in deinit, used by one thread at a time.
    private let context: OpaquePointer
    private let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: ArchiveFormat.mostStored, alignment: 64)
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: ArchiveFormat.mostBlock, alignment: 4096)

    /// A reader of the bytes that `source` gives.
    public init(_ source: @escaping Source) throws {
        guard let context = ZSTD_createDCtx() else {
            throw SnapshotArchiveError.refused("there is no memory to read the archive")
        }
        self.context = context
        self.source = source
    }

    deinit {
        ZSTD_freeDCtx(context)
        stored.deallocate()
        block.deallocate()
    }

    /// The bytes of the manifest. They come first.
    public func manifest() throws -> [UInt8] {
        guard try bytes(ArchiveFormat.magic.count) == ArchiveFormat.magic else {
            throw SnapshotArchiveError.refused("this is no archive of a snapshot")
        }
        let version: UInt32 = ArchiveFormat.number(try bytes(4))
        guard version == ArchiveFormat.version else {
            throw SnapshotArchiveError.refused(
                "the archive is of version \(version), and this Sandpiper reads version \(ArchiveFormat.version)")
        }
        let length: UInt32 = ArchiveFormat.number(try bytes(4))
        guard length <= ArchiveFormat.mostManifest else {
            throw SnapshotArchiveError.damaged("its manifest would have \(length) bytes")
        }
        let manifest = try bytes(Int(length))
        var hasher = ContentHasher(.sha256)
        manifest.withUnsafeBytes { hasher.update($0) }
        try expect(hasher.finish(), of: "the manifest")
        return manifest
    }

    /// Reads the next file.
    /// - Parameters:
    ///   - file: what the manifest announces; the numbers are checked.
    ///   - write: takes pages that are not zero, many at once or the last part of one, and where they begin.
    public func read(_ file: ArchiveFile, _ write: (UnsafeRawBufferPointer, Int64) throws -> Void) throws {
        guard file.size >= 0, file.most >= 0 else { throw SnapshotArchiveError.damaged("'\(file.name)' has no size") }
        var hasher = ContentHasher(.sha256)
        var (end, written): (Int64, Int64) = (0, 0)
        while let (offset, count) = try nextBlock(file, from: end) {
            end = offset + Int64(count)
            let content = UnsafeRawBufferPointer(rebasing: block[..<count])
            (ArchiveFormat.bytes(UInt64(offset)) + ArchiveFormat.bytes(UInt32(count))).withUnsafeBytes {
                hasher.update($0)
            }
            hasher.update(content)
            try eachRun(of: content) { run in
                written += Int64(run.count)
                guard written <= file.most else {
                    throw SnapshotArchiveError.damaged("'\(file.name)' has more content than was announced")
                }
                try write(UnsafeRawBufferPointer(rebasing: content[run]), offset + Int64(run.lowerBound))
            }
        }
        try expect(hasher.finish(), of: "'\(file.name)'")
    }

    /// Reads the end; nothing may follow.
    public func finish() throws {
        guard try bytes(ArchiveFormat.endMagic.count) == ArchiveFormat.endMagic else {
            throw SnapshotArchiveError.damaged("its end mark is missing")
        }
        let digest = all.finish()
        try expect(digest, of: "the whole")
        guard try source(UnsafeMutableRawBufferPointer(rebasing: stored[..<1])) == 0 else {
            throw SnapshotArchiveError.damaged("something follows its end")
        }
    }

    // MARK: Parts

    /// Reads a block into ``block``; `nil` when there are no more.
    private func nextBlock(_ file: ArchiveFile, from end: Int64) throws -> (offset: Int64, count: Int)? {
        let header = try bytes(ArchiveFormat.blockHeader)
        let offset: UInt64 = ArchiveFormat.number(header[..<8])
        let length: UInt32 = ArchiveFormat.number(header[8..<12])
        let storedLength: UInt32 = ArchiveFormat.number(header[12...])
        if offset == ArchiveFormat.endOfBlocks, length == 0, storedLength == 0 { return nil }
        let page = Int64(ArchiveFormat.page)
        guard let start = Int64(exactly: offset), start >= end, start < file.size, start % page == 0,
            (1...UInt32(ArchiveFormat.mostBlock)).contains(length), Int64(length) <= file.size - start,
            Int64(length) % page == 0 || start + Int64(length) == file.size,
            (1...UInt32(ArchiveFormat.mostStored)).contains(storedLength)
        else { throw SnapshotArchiveError.damaged("a block of '\(file.name)' lies where none can") }
        let source = UnsafeMutableRawBufferPointer(rebasing: stored[..<Int(storedLength)])
        try fill(source)
        let count = ZSTD_decompressDCtx(context, block.baseAddress, Int(length), source.baseAddress, source.count)
        guard ZSTD_isError(count) == 0, count == Int(length) else {
            throw SnapshotArchiveError.damaged("a block of '\(file.name)' cannot be decompressed")
        }
        return (start, count)
    }

    /// Finds the pages that are not zero. A block begins and ends with one, and has few between them that are.
    private func eachRun(of content: UnsafeRawBufferPointer, _ body: (Range<Int>) throws -> Void) throws {
        var begin: Int?
        var zeros = 0
        var isLastZero = false
        for start in stride(from: 0, to: content.count, by: ArchiveFormat.page) {
            let end = min(start + ArchiveFormat.page, content.count)
            isLastZero = ArchiveFormat.isZero(UnsafeRawBufferPointer(rebasing: content[start..<end]))
            if isLastZero {
                zeros += 1
                guard start > 0, zeros <= ArchiveFormat.mostZeroPages else {
                    throw SnapshotArchiveError.damaged("a block holds nothing where something must be")
                }
                if let first = begin { try body(first..<start) }
                begin = nil
            } else {
                zeros = 0
                begin = begin ?? start
            }
        }
        guard !isLastZero else { throw SnapshotArchiveError.damaged("a block holds nothing where something must be") }
        if let begin { try body(begin..<content.count) }
    }

    private func expect(_ digest: Digest, of what: String) throws {
        guard Digest(.sha256, bytes: try bytes(ArchiveFormat.digest)) == digest else {
            throw SnapshotArchiveError.damaged("the digest of \(what) is wrong")
        }
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try fill($0) }
        return bytes
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws {
        var filled = 0
        while filled < buffer.count {
            let count = try source(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            guard count > 0 else { throw SnapshotArchiveError.damaged("it ends too early") }
            filled += count
        }
        all.update(UnsafeRawBufferPointer(buffer))
    }
}
