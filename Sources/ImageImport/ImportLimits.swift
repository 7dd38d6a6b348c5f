import DiskImage

/// How much an image may cost. Whoever made it decides what is in it, so each dimension is bounded.
public struct ImportLimits: Sendable, Equatable {
    /// The length of an archive in bytes, uncompressed. 256 GiB by default.
    public var archiveBytes: Int64 = 256 << 30
    /// How many entries an archive may have. 65,536 by default.
    public var archiveEntries = 65_536
    /// The length of the names of an archive's entries and of their targets together, in bytes. 32 MiB by default.
    public var archiveNameBytes = 32 << 20
    /// How many images an archive may hold. 256 by default.
    public var images = 256
    /// How many references an archive may give its images. 1024 by default: each one is a file of the store.
    public var references = 1024
    /// The length of an archive's indexes, manifests and configurations together, in bytes, each counted as often as it is
    /// read. 64 MiB by default: they are held in memory.
    public var documentBytes: Int64 = 64 << 20
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

    /// The names by which ``set(_:to:)`` knows the limits, sorted.
    public static var names: [String] { places.keys.sorted() }

    /// Changes the limit of this name, as messages tell it.
    /// - Returns: `false` when there is no such limit, or `value` is below 1 or more than the limit can be.
    public mutating func set(_ name: String, to value: Int64) -> Bool {
        guard value > 0, let place = Self.places[name] else { return false }
        return place(&self, value)
    }

    private static let places: [String: @Sendable (inout ImportLimits, Int64) -> Bool] = [
        "archiveBytes": set(\.archiveBytes), "archiveEntries": set(\.archiveEntries),
        "archiveNameBytes": set(\.archiveNameBytes), "images": set(\.images), "references": set(\.references),
        "documentBytes": set(\.documentBytes), "layers": set(\.layers), "layerBytes": set(\.layerBytes),
        "zstdWindowLog": set(\.zstdWindowLog, upTo: 31),
        "entries": set(\.layer.entries), "dataBytes": set(\.layer.dataBytes, upTo: LayerLimits.largestData),
        "indexBytes": set(\.layer.indexBytes, upTo: LayerLimits.largestIndex),
        "headerBytes": set(\.layer.headerBytes, upTo: LayerLimits.largestIndex),
        "sparseSegments": set(\.layer.sparseSegments, upTo: LayerLimits.largestIndex),
    ]

    private static func set<Value: BinaryInteger & SendableMetatype>(
        _ place: WritableKeyPath<ImportLimits, Value> & Sendable, upTo largest: Int64 = .max
    ) -> @Sendable (inout ImportLimits, Int64) -> Bool {
        { limits, value in
            guard value <= largest, let value = Value(exactly: value) else { return false }
            limits[keyPath: place] = value
            return true
        }
    }
}
