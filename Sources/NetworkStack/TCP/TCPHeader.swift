/// Flags of a segment (RFC 9293 section 3.1).
struct TCPFlags: OptionSet {
    let rawValue: UInt8

    static let fin = TCPFlags(rawValue: 1)
    static let syn = TCPFlags(rawValue: 2)
    static let reset = TCPFlags(rawValue: 4)
    static let push = TCPFlags(rawValue: 8)
    static let acknowledgement = TCPFlags(rawValue: 16)
}

/// The header of a segment of TCP (RFC 9293 section 3.1).
struct TCPHeader {
    static let minimumLength = 20

    var sourcePort: UInt16
    var destinationPort: UInt16
    var sequence: SequenceNumber
    var acknowledgement: SequenceNumber
    var flags: TCPFlags
    /// As it was sent, not scaled.
    var window: UInt16
    var options = TCPOptions()
    /// In bytes, options included.
    var length: Int

    /// Reads the header; `nil` when it is none or says more than there is. Options that are broken end the reading of
    /// options, as with other stacks.
    init?(_ segment: PacketBytes) {
        guard segment.count >= Self.minimumLength else { return nil }
        length = Int(segment.u8(12) >> 4) * 4
        guard length >= Self.minimumLength, length <= segment.count else { return nil }
        sourcePort = segment.u16(0)
        destinationPort = segment.u16(2)
        sequence = SequenceNumber(segment.u32(4))
        acknowledgement = SequenceNumber(segment.u32(8))
        flags = TCPFlags(rawValue: segment.u8(13) & 31)
        window = segment.u16(14)
        if length > Self.minimumLength {
            options.read(segment.part(Self.minimumLength, length - Self.minimumLength))
        }
    }

    /// Writes a header without options; the checksum is left zero, and the pointer to urgent data.
    static func write(
        to frame: FrameBytes, at offset: Int, sourcePort: UInt16, destinationPort: UInt16, sequence: SequenceNumber,
        acknowledgement: SequenceNumber, length: Int, flags: TCPFlags, window: UInt16
    ) {
        frame.set(offset, sourcePort)
        frame.set(offset + 2, destinationPort)
        frame.set(offset + 4, sequence.value)
        frame.set(offset + 8, acknowledgement.value)
        frame.set(offset + 12, UInt8(truncatingIfNeeded: length / 4) << 4)
        frame.set(offset + 13, flags.rawValue)
        frame.set(offset + 14, window)
        frame.set(offset + 16, UInt32(0))
    }
}

/// The options of a segment: RFC 9293 section 3.2, RFC 7323, RFC 2018.
struct TCPOptions {
    /// Blocks of bytes that have come out of order.
    static let blockLimit = 4

    var maximumSegment: UInt16?
    var windowScale: UInt8?
    var allowsSelective = false
    var timestamp: (value: UInt32, echo: UInt32)?
    private(set) var blockCount = 0
    private var blocks = InlineArray<4, SequenceRange>(
        repeating: SequenceRange(start: SequenceNumber(0), end: SequenceNumber(0)))

    init() {}

    /// The blocks of selective acknowledgement.
    func block(_ index: Int) -> SequenceRange? { index >= 0 && index < blockCount ? blocks[index] : nil }

    mutating func read(_ bytes: PacketBytes) {
        var offset = 0
        while offset < bytes.count {
            let kind = bytes.u8(offset)
            if kind == 0 { return }
            if kind == 1 {
                offset += 1
                continue
            }
            let length = Int(bytes.u8(offset + 1))
            guard length >= 2, offset + length <= bytes.count else { return }
            switch (kind, length) {
            case (2, 4): maximumSegment = bytes.u16(offset + 2)
            // More than 14 counts as 14 (RFC 7323 section 2.3).
            case (3, 3): windowScale = min(bytes.u8(offset + 2), 14)
            case (4, 2): allowsSelective = true
            case (5, 10...34):
                var place = offset + 2
                while place + 8 <= offset + length, blockCount < Self.blockLimit {
                    blocks[blockCount] = SequenceRange(
                        start: SequenceNumber(bytes.u32(place)), end: SequenceNumber(bytes.u32(place + 4)))
                    blockCount += 1
                    place += 8
                }
            case (8, 10): timestamp = (bytes.u32(offset + 2), bytes.u32(offset + 6))
            default: break
            }
            offset += length
        }
    }
}
