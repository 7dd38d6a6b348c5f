/// The sizes of memory that machines come in: few, so that few templates serve all.
public enum MemoryLadder {
    /// The smallest size, in bytes; each further one is twice the one before.
    public static let smallest: Int64 = 128 << 20
    /// The largest size, in bytes.
    public static let largest: Int64 = 1 << 40

    /// The smallest size on the ladder that holds `bytes`; ``largest`` where none does.
    public static func size(holding bytes: Int64) -> Int64 {
        var size = smallest
        while size < bytes && size < largest { size *= 2 }
        return size
    }
}
