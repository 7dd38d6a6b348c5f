import NetworkAddress

/// A packet of IP of either version, whole, without its headers.
struct IPPacket {
    var source: IPAddress
    var destination: IPAddress
    /// The protocol of the payload, the headers of extensions passed over.
    var protocolNumber: UInt8
    var hopLimit: UInt8
    /// What identifies a packet of IPv4; 0 for IPv6.
    var identification: UInt16
    var payload: PacketBytes

    /// Whether its payload, with the pseudo header, adds up to a valid checksum.
    var hasValidChecksum: Bool {
        var checksum = Checksum(
            pseudoHeaderFrom: source, to: destination, protocolNumber: protocolNumber, length: payload.count)
        checksum.add(payload)
        return checksum.isValid
    }
}

/// Numbers of protocols (https://www.iana.org/assignments/protocol-numbers).
enum ProtocolNumber {
    static let hopByHop: UInt8 = 0
    static let icmp: UInt8 = 1
    static let igmp: UInt8 = 2
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
    static let routing: UInt8 = 43
    static let fragment: UInt8 = 44
    static let icmpv6: UInt8 = 58
    static let none: UInt8 = 59
    static let destinationOptions: UInt8 = 60
}

extension IPAddress {
    /// `::` or `0.0.0.0`
    var isUnspecified: Bool {
        switch self {
        case .v4(let address): address.value == 0
        case .v6(let address): address.high == 0 && address.low == 0
        }
    }

    /// `127.0.0.0/8` or `::1`
    var isLoopback: Bool {
        switch self {
        case .v4(let address): address.value >> 24 == 127
        case .v6(let address): address.high == 0 && address.low == 1
        }
    }

    /// The header of IP that its packets have, in bytes, without options or extensions.
    var headerLength: Int { isV4 ? IPv4Header.minimumLength : IPv6Header.length }
}
