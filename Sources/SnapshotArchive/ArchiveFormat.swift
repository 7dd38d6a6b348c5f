/// The archive of a snapshot, as `docs/snapshot-archive.md` has it: what its writer and its reader have in common.
enum ArchiveFormat {
    /// The first bytes. The line end shows when something took the archive for text.
    static let magic = Array("SPSNAP\r\n".utf8)
    /// The bytes of the end mark.
    static let endMagic = Array("SPSNEND\n".utf8)
    /// Counted up whenever older readers could not read it.
    static let version: UInt32 = 1
    /// Most bytes of the manifest.
    static let mostManifest = 1 << 20
    /// Most bytes of a block, before it is compressed.
    static let mostBlock = 1 << 20
    /// Most bytes of a block in the archive: what zstd makes at worst of ``mostBlock``.
    static let mostStored = mostBlock + (mostBlock >> 8) + 64
    /// Offsets and, but for a file's end, lengths of blocks are multiples of it.
    static let page = 4096
    /// Pages of zeros within a block; where there are more, another block begins.
    static let mostZeroPages = 15
    /// Bytes before a block: its offset (8), its length (4), its length in the archive (4).
    static let blockHeader = 16
    /// The offset that ends a file's blocks.
    static let endOfBlocks = UInt64.max
    /// Bytes of a SHA-256.
    static let digest = 32

    /// A number's bytes, the lowest first.
    static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    /// The number of these bytes, the lowest first.
    static func number<Number: FixedWidthInteger>(_ bytes: some Sequence<UInt8>, _: Number.Type = Number.self) -> Number
    {
        bytes.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    /// Whether all bytes are zero.
    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.allSatisfy { $0 == 0 } }
}
