import DiskImage

/// How much an archive may cost. Whoever made it decides what is in it, so each dimension is bounded.
public struct ImportLimits: Sendable, Equatable {
    /// The length of the archive in bytes, uncompressed. 256 GiB by default.
    public var archiveBytes: Int64 = 256 << 30
    /// How many entries the archive may have. 65,536 by default.
    public var archiveEntries = 65_536
    /// How many images the archive may hold. 256 by default.
    public var images = 256
    /// How many layers an image may have. 127 by default, as many as Docker allows.
    public var layers = 127
    /// The length of one layer's tar archive in bytes, uncompressed. 64 GiB by default.
    public var layerBytes: Int64 = 64 << 30
    /// The binary logarithm of the memory in bytes that a zstd stream may want. 27 by default, as of the zstd tool.
    public var zstdWindowLog: Int32 = 27
    /// What one layer's content may cost.
    public var layer = LayerLimits()

    /// The defaults.
    public init() {}
}
