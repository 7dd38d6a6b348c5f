/// One record of a layer index, as numbers and as ranges of the index's bytes.
///
/// All integers are little endian. A record is: kind (8 bits); permissions (16); user, group (32 each); seconds and
/// nanoseconds of the modification time (64, 32); number of its set of extended attributes (32, all ones for none);
/// bytes of the previous record's path that this path begins with (16); bytes that follow them (16); those bytes; then
/// what the kind asks for:
/// - file: length (64), first block in the data file (32)
/// - sparse file: the same, chunk bits (8), number of runs (32), for each run its holes and its data chunks (32, 32)
/// - symbolic link, hard link: length of the target (16), target
/// - character device, block device: major (32), minor (32)
struct IndexRecord {
    enum Kind: UInt8 {
        case directory = 1
        case file = 2
        case sparseFile = 3
        case symbolicLink = 4
        case hardLink = 5
        case characterDevice = 6
        case blockDevice = 7
        case fifo = 8
    }

    static let noAttributes = UInt32.max

    var kind = Kind.file
    /// The twelve lower bits of the mode.
    var permissions: UInt16 = 0
    var owner: UInt32 = 0
    var group: UInt32 = 0
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    /// Which of the layer's sets of extended attributes it has.
    var attributes = IndexRecord.noAttributes
    /// Bytes of the path that are the same as in the record before; ends after a slash.
    var sharedPath = 0
    /// The rest of the path.
    var path = 0..<0

    /// Length of a file.
    var size: UInt64 = 0
    /// Where a file's content begins in the layer's data file.
    var block: UInt32 = 0
    /// The binary logarithm of a sparse file's chunk length in blocks.
    var chunkBits: UInt8 = 0
    /// Holes and data chunks in turn, eight bytes a pair.
    var runs = 0..<0
    /// Where a link leads.
    var target = 0..<0
    var major: UInt32 = 0
    var minor: UInt32 = 0
}

/// Reads records one after the other; total on any bytes.
struct IndexReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    private let end: Int

    /// Reads `range` of `bytes`, which stay valid as long as this value is used.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = min(range.upperBound, bytes.count)
    }

    var isAtEnd: Bool { position >= end }

    mutating func next() throws(DiskImageError) -> IndexRecord? {
        if isAtEnd { return nil }
        var record = IndexRecord()
        guard let kind = IndexRecord.Kind(rawValue: try integer(UInt8.self)) else {
            throw .damagedIndex("a record has an unknown kind")
        }
        record.kind = kind
        record.permissions = try integer(UInt16.self)
        record.owner = try integer(UInt32.self)
        record.group = try integer(UInt32.self)
        record.seconds = try integer(Int64.self)
        record.nanoseconds = try integer(UInt32.self)
        record.attributes = try integer(UInt32.self)
        record.sharedPath = Int(try integer(UInt16.self))
        record.path = try range(Int(try integer(UInt16.self)))
        switch kind {
        case .directory, .fifo: break
        case .file, .sparseFile:
            record.size = try integer(UInt64.self)
            record.block = try integer(UInt32.self)
            if kind == .sparseFile {
                record.chunkBits = try integer(UInt8.self)
                record.runs = try range(Int(try integer(UInt32.self)) * 8)
            }
        case .symbolicLink, .hardLink: record.target = try range(Int(try integer(UInt16.self)))
        case .characterDevice, .blockDevice:
            record.major = try integer(UInt32.self)
            record.minor = try integer(UInt32.self)
        }
        return record
    }

    /// The next path of the list of removals: what it removes, and the whole path.
    mutating func nextRemoval() throws(DiskImageError) -> (opaque: Bool, path: Range<Int>)? {
        if isAtEnd { return nil }
        let opaque = try integer(UInt8.self)
        guard opaque <= 1 else { throw .damagedIndex("a removal has an unknown kind") }
        return (opaque == 1, try range(Int(try integer(UInt16.self))))
    }

    /// The next length-prefixed run of bytes of the list of sets of extended attributes.
    mutating func nextAttributes() throws(DiskImageError) -> Range<Int>? {
        if isAtEnd { return nil }
        return try range(Int(try integer(UInt32.self)))
    }

    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _: Value.Type
    ) throws(DiskImageError) -> Value {
        let size = MemoryLayout<Value>.size
        guard end - position >= size else { throw .damagedIndex("it ends inside a record") }
        let value = Value(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Value.self))
        position += size
        return value
    }

    private mutating func range(_ count: Int) throws(DiskImageError) -> Range<Int> {
        guard end - position >= count else { throw .damagedIndex("it ends inside a record") }
        defer { position += count }
        return position..<position + count
    }
}

extension UnsafeRawBufferPointer {
    /// Part of the buffer; the range comes from ``IndexReader``, which has checked it.
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }
}
