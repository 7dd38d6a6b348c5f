import NetworkAddress

/// The header of a packet of IPv4 (RFC 791 section 3.1). Options are passed over.
struct IPv4Header {
    static let minimumLength = 20
    /// Of what the stack sends.
    static let hopLimit: UInt8 = 64

    var source: IPv4Address
    var destination: IPv4Address
    var protocolNumber: UInt8
    var hopLimit: UInt8
    var identification: UInt16
    /// Where in the datagram this fragment belongs, in bytes.
    var fragmentOffset: Int
    var moreFragments: Bool
    /// In bytes, options included.
    var length: Int
    /// Of header and payload, in bytes.
    var totalLength: Int

    var isFragment: Bool { moreFragments || fragmentOffset > 0 }

    /// Reads the header; `nil` when it is none, says more than there is, or its checksum is wrong.
    init?(_ packet: PacketBytes) {
        guard packet.count >= Self.minimumLength, packet.u8(0) >> 4 == 4 else { return nil }
        length = Int(packet.u8(0) & 15) * 4
        totalLength = Int(packet.u16(2))
        guard length >= Self.minimumLength, length <= totalLength, totalLength <= packet.count else { return nil }
        var checksum = Checksum()
        checksum.add(packet.part(0, length))
        guard checksum.isValid else { return nil }
        identification = packet.u16(4)
        moreFragments = packet.u16(6) & 0x2000 != 0
        fragmentOffset = Int(packet.u16(6) & 0x1FFF) * 8
        hopLimit = packet.u8(8)
        protocolNumber = packet.u8(9)
        source = IPv4Address(packet.u32(12))
        destination = IPv4Address(packet.u32(16))
    }

    /// Writes the header of a packet without options.
    static func write(
        to frame: FrameBytes, at offset: Int, from source: IPv4Address, to destination: IPv4Address,
        protocolNumber: UInt8, payloadLength: Int, hopLimit: UInt8 = Self.hopLimit, identification: UInt16 = 0,
        fragmentOffset: Int = 0, moreFragments: Bool = false, mayFragment: Bool = false
    ) {
        frame.set(offset, UInt16(0x4500))
        frame.set(offset + 2, UInt16(truncatingIfNeeded: minimumLength + payloadLength))
        frame.set(offset + 4, identification)
        let flags: UInt16 = (mayFragment ? 0 : 0x4000) | (moreFragments ? 0x2000 : 0)
        frame.set(offset + 6, flags | UInt16(truncatingIfNeeded: fragmentOffset / 8) & 0x1FFF)
        frame.set(offset + 8, hopLimit)
        frame.set(offset + 9, protocolNumber)
        frame.set(offset + 10, UInt16(0))
        frame.set(offset + 12, source.value)
        frame.set(offset + 16, destination.value)
        var checksum = Checksum()
        checksum.add(frame.part(offset, minimumLength))
        frame.setChecksum(offset + 10, checksum)
    }
}
