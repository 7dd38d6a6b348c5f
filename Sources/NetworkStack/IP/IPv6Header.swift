import NetworkAddress

/// The header of a packet of IPv6 and those of its extensions (RFC 8200 sections 3 and 4).
struct IPv6Header {
    static let length = 40
    static let fragmentHeaderLength = 8
    static let hopLimit: UInt8 = 64
    /// How many headers of extensions a packet may have.
    private static let extensionLimit = 8

    /// A part of a datagram, as its header tells it.
    struct Fragment {
        var identification: UInt32
        /// Where in the datagram it belongs, in bytes.
        var offset: Int
        var moreFragments: Bool
        /// The protocol or extension that the datagram begins with.
        var nextHeader: UInt8
    }

    /// What follows the headers.
    enum Content {
        case payload(protocolNumber: UInt8, offset: Int)
        case fragment(Fragment, offset: Int)
    }

    var source: IPv6Address
    var destination: IPv6Address
    var hopLimit: UInt8
    /// Of header and payload, in bytes.
    var totalLength: Int
    var content: Content

    /// Reads the headers; `nil` when they are none, say more than there is, or are too many.
    init?(_ packet: PacketBytes) {
        guard packet.count >= Self.length, packet.u8(0) >> 4 == 6 else { return nil }
        totalLength = Self.length + Int(packet.u16(4))
        guard totalLength <= packet.count else { return nil }
        hopLimit = packet.u8(7)
        source = IPv6Address(high: packet.u64(8), low: packet.u64(16))
        destination = IPv6Address(high: packet.u64(24), low: packet.u64(32))
        guard
            let content = Self.content(
                of: packet.part(0, totalLength), nextHeader: packet.u8(6), offset: Self.length)
        else { return nil }
        self.content = content
    }

    /// Follows the headers of extensions from `offset` on; `nil` when they are broken or too many. A reassembled
    /// datagram begins with them at 0.
    static func content(of packet: PacketBytes, nextHeader: UInt8, offset: Int) -> Content? {
        var nextHeader = nextHeader
        var offset = offset
        for _ in 0...extensionLimit {
            switch nextHeader {
            case ProtocolNumber.hopByHop, ProtocolNumber.destinationOptions, ProtocolNumber.routing:
                guard offset + 8 <= packet.count else { return nil }
                let length = (Int(packet.u8(offset + 1)) + 1) * 8
                guard offset + length <= packet.count else { return nil }
                // A source route that is not used up: RFC 5095 forbids the one type, and nobody routes here.
                if nextHeader == ProtocolNumber.routing, packet.u8(offset + 3) != 0 { return nil }
                nextHeader = packet.u8(offset)
                offset += length
            case ProtocolNumber.fragment:
                guard offset + fragmentHeaderLength <= packet.count else { return nil }
                let field = packet.u16(offset + 2)
                let fragment = Fragment(
                    identification: packet.u32(offset + 4), offset: Int(field & 0xFFF8), moreFragments: field & 1 != 0,
                    nextHeader: packet.u8(offset))
                return .fragment(fragment, offset: offset + fragmentHeaderLength)
            default: return .payload(protocolNumber: nextHeader, offset: offset)
            }
        }
        return nil
    }

    /// Writes the header of a packet without extensions; those are counted to `payloadLength`.
    static func write(
        to frame: FrameBytes, at offset: Int, from source: IPv6Address, to destination: IPv6Address,
        nextHeader: UInt8, payloadLength: Int, hopLimit: UInt8 = Self.hopLimit
    ) {
        frame.set(offset, UInt32(0x6000_0000))
        frame.set(offset + 4, UInt16(truncatingIfNeeded: payloadLength))
        frame.set(offset + 6, nextHeader)
        frame.set(offset + 7, hopLimit)
        frame.set(offset + 8, IPAddress.v6(source))
        frame.set(offset + 24, IPAddress.v6(destination))
    }

    /// Writes the header of a fragment (RFC 8200 section 4.5).
    static func writeFragment(
        to frame: FrameBytes, at offset: Int, nextHeader: UInt8, fragmentOffset: Int, moreFragments: Bool,
        identification: UInt32
    ) {
        frame.set(offset, UInt16(nextHeader) << 8)
        let field = UInt16(truncatingIfNeeded: fragmentOffset) & 0xFFF8
        frame.set(offset + 2, field | (moreFragments ? 1 : 0))
        frame.set(offset + 4, identification)
    }
}
