/// What is in one layer and where each file's content lies in the layer's data file.
///
/// Made by ``LayerWriter``, kept as ``encoded`` bytes beside the data file, read back with ``init(decoding:)``.
public struct LayerIndex: Sendable {
    /// The fixed beginning of an encoded index.
    struct Header {
        static let size = 64
        private static let magic: UInt64 = 0x3130_5945_4c4e_4453  // "SDNLEY01"

        var dataLength: UInt64 = 0
        /// Where the records end, then the removals; the attribute sets end with the index.
        var recordsEnd: UInt64 = 0
        var removalsEnd: UInt64 = 0
        /// Bytes of all names and targets.
        var nameBytes: UInt64 = 0
        var entries: UInt32 = 0
        var removals: UInt32 = 0
        var attributeSets: UInt32 = 0

        init() {}

        init(decoding bytes: UnsafeRawBufferPointer) throws(DiskImageError) {
            guard bytes.count >= Self.size else { throw .damagedIndex("it is shorter than its header") }
            var reader = IndexReader(bytes, 0..<Self.size)
            guard try reader.integer(UInt64.self) == Self.magic else {
                throw .damagedIndex("it does not begin as an index does")
            }
            dataLength = try reader.integer(UInt64.self)
            recordsEnd = try reader.integer(UInt64.self)
            removalsEnd = try reader.integer(UInt64.self)
            nameBytes = try reader.integer(UInt64.self)
            entries = try reader.integer(UInt32.self)
            removals = try reader.integer(UInt32.self)
            attributeSets = try reader.integer(UInt32.self)
            guard dataLength <= UInt64(Block.addressable), dataLength % UInt64(Block.size) == 0,
                Self.size <= recordsEnd, recordsEnd <= removalsEnd, removalsEnd <= bytes.count
            else { throw .damagedIndex("its header contradicts itself") }
        }

        func write(to bytes: inout [UInt8]) {
            var encoded: [UInt8] = []
            for value in [Self.magic, dataLength, recordsEnd, removalsEnd, nameBytes] {
                withUnsafeBytes(of: value.littleEndian) { encoded.append(contentsOf: $0) }
            }
            for value in [entries, removals, attributeSets] {
                withUnsafeBytes(of: value.littleEndian) { encoded.append(contentsOf: $0) }
            }
            bytes.replaceSubrange(0..<encoded.count, with: encoded)
        }
    }

    let header: Header

    /// The index as bytes, to be kept in a file.
    public let encoded: [UInt8]

    /// The length of the layer's data file in bytes, a multiple of 4096.
    public var dataLength: Int64 { Int64(header.dataLength) }

    /// How many files, directories and other entries the layer has.
    public var entryCount: Int { Int(header.entries) }

    /// How many whiteouts and opaque directories the layer has.
    public var removalCount: Int { Int(header.removals) }

    init(header: Header, encoded: [UInt8]) {
        self.header = header
        self.encoded = encoded
    }

    /// Reads an index. Anything may be in `bytes`: what is accepted is consistent in itself and safe to build from.
    /// - Throws: ``DiskImageError/damagedIndex(_:)``.
    public init(decoding bytes: [UInt8]) throws(DiskImageError) {
        header = try bytes.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            let header = try Header(decoding: UnsafeRawBufferPointer(buffer))
            try LayerIndexCheck(bytes: UnsafeRawBufferPointer(buffer), header: header).run()
            return header
        }
        encoded = bytes
    }

    var records: Range<Int> { Header.size..<Int(header.recordsEnd) }
    var removals: Range<Int> { Int(header.recordsEnd)..<Int(header.removalsEnd) }
    var attributeSets: Range<Int> { Int(header.removalsEnd)..<encoded.count }
}
