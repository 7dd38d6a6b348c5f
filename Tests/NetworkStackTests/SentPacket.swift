import NetworkAddress
import NetworkStack

/// A frame that the stack has sent, taken apart; only a good one can be.
struct SentPacket {
    var source: IPAddress
    var destination: IPAddress
    var protocolNumber: UInt8
    var hopLimit: UInt8
    var payload: [UInt8]
    /// Where in its datagram it belongs, and whether more follows, when it is a fragment.
    var fragment: (offset: Int, more: Bool)?

    /// `nil` when it is no packet of IP, or not well made.
    init?(_ frame: [UInt8]) {
        guard frame.count > 14, Array(frame[..<6]) == GuestFrames.guestMAC.bytes,
            Array(frame[6..<12]) == GuestFrames.gatewayMAC.bytes
        else { return nil }
        let packet = Array(frame[14...])
        switch Self.u16(frame, 12) {
        case 0x0800:
            guard packet.count >= 20, packet[0] == 0x45, Self.u16(packet, 2) == packet.count,
                GuestFrames.checksum(Array(packet[..<20])) == 0, let from = IPAddress(bytes: packet[12..<16]),
                let to = IPAddress(bytes: packet[16..<20])
            else { return nil }
            (source, destination, protocolNumber, hopLimit) = (from, to, packet[9], packet[8])
            payload = Array(packet[20...])
            let field = Self.u16(packet, 6)
            if field & 0x3FFF != 0 { fragment = (field & 0x1FFF * 8, field & 0x2000 != 0) }
        case 0x86DD:
            guard packet.count >= 40, packet[0] == 0x60, Self.u16(packet, 4) == packet.count - 40,
                let from = IPAddress(bytes: packet[8..<24]), let to = IPAddress(bytes: packet[24..<40])
            else { return nil }
            (source, destination, protocolNumber, hopLimit) = (from, to, packet[6], packet[7])
            payload = Array(packet[40...])
            if protocolNumber == 44 {
                guard payload.count >= 8 else { return nil }
                fragment = (Self.u16(payload, 2) & 0xFFF8, payload[3] & 1 == 1)
                protocolNumber = payload[0]
                payload.removeFirst(8)
            }
        default: return nil
        }
        guard fragment != nil || hasValidChecksum else { return nil }
    }

    private var hasValidChecksum: Bool {
        switch protocolNumber {
        case 1: GuestFrames.checksum(payload) == 0
        case 6, 17, 58:
            GuestFrames.checksum(
                GuestFrames.pseudoHeader(source, destination, protocolNumber, payload.count) + payload) == 0
        default: true
        }
    }

    static func u16(_ bytes: [UInt8], _ offset: Int) -> Int { Int(bytes[offset]) << 8 | Int(bytes[offset + 1]) }
    static func u32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        UInt32(u16(bytes, offset)) << 16 | UInt32(u16(bytes, offset + 2))
    }

    /// As a segment of TCP; `nil` when it is none.
    var segment: SentSegment? { protocolNumber == 6 && fragment == nil ? SentSegment(self) : nil }
}

/// A segment that the stack has sent.
struct SentSegment {
    var from: Endpoint
    var to: Endpoint
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: UInt8
    var window: Int
    /// By their kinds.
    var options: [UInt8: [UInt8]] = [:]
    var payload: [UInt8]

    init?(_ packet: SentPacket) {
        let bytes = packet.payload
        guard bytes.count >= 20, Int(bytes[12] >> 4) * 4 >= 20, Int(bytes[12] >> 4) * 4 <= bytes.count else {
            return nil
        }
        let length = Int(bytes[12] >> 4) * 4
        from = Endpoint(packet.source, UInt16(SentPacket.u16(bytes, 0)))
        to = Endpoint(packet.destination, UInt16(SentPacket.u16(bytes, 2)))
        sequence = SentPacket.u32(bytes, 4)
        acknowledgement = SentPacket.u32(bytes, 8)
        flags = bytes[13]
        window = SentPacket.u16(bytes, 14)
        payload = Array(bytes[length...])
        var offset = 20
        while offset < length, bytes[offset] != 0 {
            if bytes[offset] == 1 {
                offset += 1
                continue
            }
            guard offset + 1 < length, bytes[offset + 1] >= 2, offset + Int(bytes[offset + 1]) <= length else {
                return nil
            }
            options[bytes[offset]] = Array(bytes[offset + 2..<offset + Int(bytes[offset + 1])])
            offset += Int(bytes[offset + 1])
        }
    }

    var end: UInt32 {
        sequence &+ UInt32(payload.count) &+ (flags & Flag.syn != 0 ? 1 : 0) &+ (flags & Flag.fin != 0 ? 1 : 0)
    }

    /// What it says came out of order.
    var blocks: [ClosedRange<UInt32>] {
        let bytes = options[5] ?? []
        return stride(from: 0, to: bytes.count - 7, by: 8).map {
            let start = SentPacket.u32(bytes, $0)
            return start...max(start, SentPacket.u32(bytes, $0 + 4))
        }
    }
}

/// Flags of segments, by their bits.
enum Flag {
    static let fin: UInt8 = 1
    static let syn: UInt8 = 2
    static let rst: UInt8 = 4
    static let psh: UInt8 = 8
    static let ack: UInt8 = 16
    static let urg: UInt8 = 32
}
