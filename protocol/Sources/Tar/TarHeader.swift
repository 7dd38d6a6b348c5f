/// One 512-byte header block, in any dialect: v7, POSIX ustar (IEEE 1003.1-1988), GNU, star.
public struct TarHeader {
    /// Bytes of a block.
    public static let size = 512

    /// Always exactly ``size`` bytes, which makes the constant offsets below sound.
    private let block: UnsafeRawBufferPointer

    /// Whose format it is, by the magic number; `v7` has none.
    public enum Dialect: Sendable { case v7, ustar, star, gnu }
    /// The dialect of this header.
    public let dialect: Dialect

    /// Looks at a block of exactly ``size`` bytes that stays valid as long as this value is used; `nil` for another
    /// length.
    public init?(_ block: UnsafeRawBufferPointer) {
        guard block.count == Self.size else { return nil }
        self.block = block
        let magic = block.loadUnaligned(fromByteOffset: 257, as: UInt64.self).littleEndian
        switch magic {
        case 0x0020_2072_6174_7375: dialect = .gnu  // "ustar  \0"
        case let value where value & 0xffff_ffff_ffff == 0x0000_0072_6174_7375:  // "ustar\0"
            let star = block.loadUnaligned(fromByteOffset: 508, as: UInt32.self).littleEndian == 0x0072_6174
            dialect = star ? .star : .ustar
        default: dialect = .v7
        }
    }

    /// Whether all bytes are zero, as in the two blocks that end an archive.
    public var isZero: Bool {
        var bits: UInt64 = 0
        for offset in stride(from: 0, to: Self.size, by: 8) {
            bits |= block.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        return bits == 0
    }

    /// Whether the checksum matches, summed over unsigned bytes as POSIX wants or signed ones as some old tars did.
    public var hasValidChecksum: Bool {
        guard let stored = try? TarNumber.parse(field(148, 8)) else { return false }
        var lanes: UInt64 = 0  // four 16-bit sums: at most 64 × 2 × 255 each
        var negative = 0
        for offset in stride(from: 0, to: Self.size, by: 8) {
            let word = block.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            lanes &+= (word & 0x00ff_00ff_00ff_00ff) &+ ((word >> 8) & 0x00ff_00ff_00ff_00ff)
            negative += (word & 0x8080_8080_8080_8080).nonzeroBitCount
        }
        var sum = Int64(lanes & 0xffff) + Int64(lanes >> 16 & 0xffff) + Int64(lanes >> 32 & 0xffff) + Int64(lanes >> 48)
        // The checksum field itself counts as eight spaces.
        for byte in field(148, 8) {
            sum += 32 - Int64(byte)
            if byte >= 128 { negative -= 1 }
        }
        return stored == sum || stored == sum - 256 * Int64(negative)
    }

    /// What kind of entry or extended header it is: a character.
    public var type: UInt8 { block[156] }
    /// The name field, up to its first NUL.
    public var name: UnsafeRawBufferPointer { text(0, 100) }
    /// The target of a link, up to its first NUL.
    public var linkName: UnsafeRawBufferPointer { text(157, 100) }
    /// What stands before ``name``, joined by a slash; empty in dialects without such a field.
    public var prefix: UnsafeRawBufferPointer {
        switch dialect {
        case .ustar: text(345, 155)
        case .star: text(345, 131)
        case .v7, .gnu: text(0, 0)
        }
    }

    /// Permission bits.
    public func mode() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(100, 8)) }
    /// Numeric owner.
    public func owner() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(108, 8)) }
    /// Numeric group.
    public func group() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(116, 8)) }
    /// Bytes of content that follow.
    public func size() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(124, 12)) }
    /// Seconds since 1970.
    public func modificationTime() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(136, 12)) }
    /// Major number of a device.
    public func deviceMajor() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(329, 8)) }
    /// Minor number of a device.
    public func deviceMinor() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(337, 8)) }

    /// The true size of an old GNU sparse file (type `S`).
    public func sparseSize() throws(TarNumber.Invalid) -> Int64 { try TarNumber.parse(field(483, 12)) }

    /// Adds the pieces that stand in an old GNU sparse header; says whether an extension block follows.
    public func addSparseSegments(to map: inout SparseMap) throws(TarNumber.Invalid) -> Bool {
        try addSegments(at: 386, count: 4, to: &map)
        return block[482] != 0
    }

    /// The same for an extension block.
    public func addExtensionSegments(to map: inout SparseMap) throws(TarNumber.Invalid) -> Bool {
        try addSegments(at: 0, count: 21, to: &map)
        return block[504] != 0
    }

    private func addSegments(at start: Int, count: Int, to map: inout SparseMap) throws(TarNumber.Invalid) {
        for index in 0..<count {
            let offset = field(start + index * 24, 12)
            if offset[0] == 0 { return }  // unused
            map.append(
                offset: try TarNumber.parse(offset), length: try TarNumber.parse(field(start + index * 24 + 12, 12)))
        }
    }

    private func field(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: block[offset..<offset + length])
    }

    /// A field up to its first NUL.
    private func text(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        let whole = field(offset, length)
        return UnsafeRawBufferPointer(rebasing: whole[..<(whole.firstIndex(of: 0) ?? whole.count)])
    }
}
