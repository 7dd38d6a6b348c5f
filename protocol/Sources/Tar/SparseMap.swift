/// Where the data of a sparse file stands, as archives tell it.
public struct SparseMap: Sendable {
    /// A piece of data: its place in the file and its length, in bytes.
    public struct Segment: Sendable {
        /// Where it begins in the file.
        public var offset: Int64
        /// How long it is.
        public var length: Int64

        /// Makes a piece.
        public init(offset: Int64, length: Int64) {
            self.offset = offset
            self.length = length
        }
    }

    /// The length of the file, holes included.
    public var fileSize: Int64 = 0
    /// The pieces, as they were added.
    public private(set) var segments: [Segment] = []

    /// A map without pieces of an empty file.
    public init() {}

    /// Adds a piece.
    public mutating func append(offset: Int64, length: Int64) {
        segments.append(Segment(offset: offset, length: length))
    }

    /// Whether the pieces stand in order inside the file and hold `stored` bytes together.
    public func isValid(stored: Int64) -> Bool {
        var end: Int64 = 0
        var total: Int64 = 0
        for segment in segments {
            let (next, overflow) = segment.offset.addingReportingOverflow(segment.length)
            guard segment.length >= 0, segment.offset >= end, !overflow, next <= fileSize else { return false }
            end = next
            total += segment.length  // at most `end`
        }
        return fileSize >= 0 && total == stored
    }
}
