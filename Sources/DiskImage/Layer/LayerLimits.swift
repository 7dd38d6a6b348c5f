/// How much one layer may cost. Whoever builds the layer decides what is in it, so each dimension is bounded.
public struct LayerLimits: Sendable, Equatable {
    /// Entries in the archive, whiteouts included. Four million by default.
    public var entries: Int

    /// Length of the data file in bytes, holes included. 1 TiB by default; never more than EROFS can address (16 TiB).
    public var dataBytes: Int64

    /// Length of the index in bytes: names, link targets, extended attributes and block maps. It is held in memory
    /// while the layer streams in. 512 MiB by default, which is about 10 million entries; never 4 GiB or more.
    public var indexBytes: Int

    /// Length of one pax header or GNU long name in bytes. 1 MiB by default.
    public var headerBytes: Int

    /// Pieces of data in one sparse file. 262,144 by default.
    public var sparseSegments: Int

    /// What ``dataBytes`` can be at most.
    public static let largestData = Block.addressable
    /// What ``indexBytes`` can be at most.
    public static let largestIndex = Int64(UInt32.max)

    /// Makes limits; each one that is left out has its default.
    public init(
        entries: Int = 4_000_000, dataBytes: Int64 = 1 << 40, indexBytes: Int = 512 << 20, headerBytes: Int = 1 << 20,
        sparseSegments: Int = 1 << 18
    ) {
        self.entries = entries
        self.dataBytes = min(dataBytes, Self.largestData)
        self.indexBytes = min(indexBytes, Int(Self.largestIndex))
        self.headerBytes = headerBytes
        self.sparseSegments = sparseSegments
    }
}

/// The unit of the data file and of EROFS.
enum Block {
    /// Bytes in a block.
    static let size = 4096
    /// The binary logarithm of ``size``.
    static let bits = 12
    /// Bytes that 32-bit block addresses reach; the address of all ones means a hole.
    static let addressable = Int64(UInt32.max) << 12

    /// `length` rounded up to whole blocks; `length` is below ``addressable``.
    static func roundUp(_ length: Int64) -> Int64 { (length &+ 4095) & ~4095 }
}
