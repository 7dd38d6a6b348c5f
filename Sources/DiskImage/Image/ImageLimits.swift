/// How much one image may cost, over all its layers.
public struct ImageLimits: Sendable, Equatable {
    /// Entries of all layers together, those made for missing parents included. Eight million by default; each takes
    /// about 120 bytes of memory while the disk is written.
    public var entries: Int

    /// Length of the metadata file in bytes, and of the names held while it is made. 2 GiB by default;
    /// never more than 4 GiB.
    public var metadataBytes: Int

    /// Makes limits; each one that is left out has its default.
    public init(entries: Int = 8_000_000, metadataBytes: Int = 2 << 30) {
        self.entries = min(entries, Int(UInt32.max) - 1)
        self.metadataBytes = min(metadataBytes, Int(UInt32.max))
    }
}
