import NetworkAddress
import NetworkStack

/// Frames as a guest sends them, good unless told otherwise. Checksums are computed here once more, in the simplest way.
enum GuestFrames {
    static let gatewayMAC = MACAddress(0x5254_0000_0001)
    static let guestMAC = MACAddress(0x5254_0000_0002)

    static func ethernet(
        _ payload: [UInt8], type: UInt16, from: MACAddress = guestMAC, to: MACAddress = gatewayMAC
    ) -> [UInt8] { to.bytes + from.bytes + word(type) + payload }

    /// A packet in a frame, of the version of its addresses.
    static func packet(
        from: IPAddress, to: IPAddress, protocolNumber: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64
    ) -> [UInt8] {
        from.isV4
            ? ethernet(
                ipv4(from: from, to: to, protocolNumber: protocolNumber, payload, hopLimit: hopLimit), type: 0x0800)
            : ethernet(ipv6(from: from, to: to, nextHeader: protocolNumber, payload, hopLimit: hopLimit), type: 0x86DD)
    }

    static func ipv4(
        from: IPAddress, to: IPAddress, protocolNumber: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64,
        identification: UInt16 = 1, offset: Int = 0, moreFragments: Bool = false, options: [UInt8] = []
    ) -> [UInt8] {
        let field = UInt16(truncatingIfNeeded: offset / 8) | (moreFragments ? 0x2000 : 0)
        let start = [0x45 + UInt8(truncatingIfNeeded: options.count / 4), 0]
        var header = start + word(20 + options.count + payload.count) + word(identification) + word(field)
        header += [hopLimit, protocolNumber, 0, 0] + from.bytes + to.bytes + options
        put(checksum(header), in: &header, at: 10)
        return header + payload
    }

    static func ipv6(
        from: IPAddress, to: IPAddress, nextHeader: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64
    ) -> [UInt8] {
        [0x60, 0, 0, 0] + word(payload.count) + [nextHeader, hopLimit] + from.bytes + to.bytes + payload
    }

    static func udp(from: Endpoint, to: Endpoint, _ payload: [UInt8]) -> [UInt8] {
        var datagram = word(from.port) + word(to.port) + word(8 + payload.count) + [0, 0] + payload
        let sum = checksum(pseudoHeader(from.address, to.address, 17, datagram.count) + datagram)
        put(sum == 0 ? 0xFFFF : sum, in: &datagram, at: 6)
        return datagram
    }

    static func tcp(
        from: Endpoint, to: Endpoint, sequence: UInt32, acknowledgement: UInt32 = 0, flags: UInt8,
        window: UInt16 = 65535,
        options: [UInt8] = [], urgent: UInt16 = 0, _ payload: [UInt8] = []
    ) -> [UInt8] {
        let padded = options + Array(repeating: 0, count: (4 - options.count % 4) % 4)
        var segment = word(from.port) + word(to.port) + long(sequence) + long(acknowledgement)
        segment +=
            [UInt8(truncatingIfNeeded: 5 + padded.count / 4) << 4, flags] + word(window) + [0, 0] + word(urgent)
        segment += padded + payload
        put(checksum(pseudoHeader(from.address, to.address, 6, segment.count) + segment), in: &segment, at: 16)
        return segment
    }

    /// A message of ICMP, or of ICMPv6 when the addresses are.
    static func icmp(from: IPAddress, to: IPAddress, type: UInt8, code: UInt8 = 0, _ rest: [UInt8]) -> [UInt8] {
        var message = [type, code, 0, 0] + rest
        let covered = from.isV4 ? message : pseudoHeader(from, to, 58, message.count) + message
        put(checksum(covered), in: &message, at: 2)
        return message
    }

    static func arp(
        operation: UInt16 = 1, senderMAC: MACAddress = guestMAC, sender: IPAddress, target: IPAddress
    ) -> [UInt8] {
        let start = word(1) + word(0x0800) + [6, 4] + word(operation)
        let addresses = senderMAC.bytes + sender.bytes + MACAddress(0).bytes + target.bytes
        return ethernet(start + addresses, type: 0x0806, to: MACAddress(0xFFFF_FFFF_FFFF))
    }

    static func pseudoHeader(_ from: IPAddress, _ to: IPAddress, _ protocolNumber: UInt8, _ count: Int) -> [UInt8] {
        from.bytes + to.bytes + long(UInt32(truncatingIfNeeded: count)) + [0, 0, 0, protocolNumber]
    }

    /// RFC 1071, word by word.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
            sum = (sum & 0xFFFF) + (sum >> 16)
        }
        return ~UInt16(truncatingIfNeeded: sum)
    }

    static func word(_ value: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }
    static func word(_ value: Int) -> [UInt8] { word(UInt16(truncatingIfNeeded: value)) }
    static func long(_ value: UInt32) -> [UInt8] {
        word(UInt16(truncatingIfNeeded: value >> 16)) + word(UInt16(truncatingIfNeeded: value))
    }

    static func put(_ value: UInt16, in bytes: inout [UInt8], at offset: Int) {
        bytes.replaceSubrange(offset..<offset + 2, with: word(value))
    }
}
