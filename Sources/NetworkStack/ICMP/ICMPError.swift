import NetworkAddress

/// Types of messages of ICMP (RFC 792) that the stack knows.
enum ICMPv4 {
    static let headerLength = 8
    static let echoReply: UInt8 = 0
    static let destinationUnreachable: UInt8 = 3
    static let echoRequest: UInt8 = 8
    static let timeExceeded: UInt8 = 11
}

/// Types of messages of ICMPv6 (RFC 4443, RFC 4861, RFC 2710, RFC 3810) that the stack knows.
enum ICMPv6 {
    static let destinationUnreachable: UInt8 = 1
    static let packetTooBig: UInt8 = 2
    static let timeExceeded: UInt8 = 3
    static let parameterProblem: UInt8 = 4
    static let echoRequest: UInt8 = 128
    static let echoReply: UInt8 = 129
    static let listenerMessages: ClosedRange<UInt8> = 130...132
    static let listenerReport: UInt8 = 143
    static let routerSolicitation: UInt8 = 133
    static let routerAdvertisement: UInt8 = 134
    static let neighbourSolicitation: UInt8 = 135
    static let neighbourAdvertisement: UInt8 = 136
}

/// What the guest is told about a packet of its own that went nowhere.
enum ICMPError {
    case networkUnreachable, hostUnreachable, portUnreachable, protocolUnreachable, prohibited, timeExceeded

    /// The error that a refusal is; `nil` for silence.
    init?(_ refusal: Refusal) {
        switch refusal {
        case .reset, .portUnreachable: self = .portUnreachable
        case .prohibited: self = .prohibited
        case .hostUnreachable: self = .hostUnreachable
        case .networkUnreachable: self = .networkUnreachable
        case .timeExceeded: self = .timeExceeded
        case .silent: return nil
        }
    }

    /// Type and code (RFC 792, RFC 1812 section 5.2.7.1).
    var v4: (type: UInt8, code: UInt8) {
        switch self {
        case .networkUnreachable: (ICMPv4.destinationUnreachable, 0)
        case .hostUnreachable: (ICMPv4.destinationUnreachable, 1)
        case .protocolUnreachable: (ICMPv4.destinationUnreachable, 2)
        case .portUnreachable: (ICMPv4.destinationUnreachable, 3)
        case .prohibited: (ICMPv4.destinationUnreachable, 13)
        case .timeExceeded: (ICMPv4.timeExceeded, 0)
        }
    }

    /// Type and code (RFC 4443 section 3).
    var v6: (type: UInt8, code: UInt8) {
        switch self {
        case .networkUnreachable: (ICMPv6.destinationUnreachable, 0)
        case .prohibited: (ICMPv6.destinationUnreachable, 1)
        case .hostUnreachable: (ICMPv6.destinationUnreachable, 3)
        case .portUnreachable: (ICMPv6.destinationUnreachable, 4)
        case .protocolUnreachable: (ICMPv6.parameterProblem, 1)
        case .timeExceeded: (ICMPv6.timeExceeded, 0)
        }
    }
}

extension NetworkStack {
    /// How much of a refused packet's payload is quoted: RFC 792 wants 8 bytes; more lets the guest know more protocols.
    private static let quotedBytes = 64

    /// Sends an error about a packet of the guest, whose header is written anew. None about packets to many, and none
    /// about errors (RFC 1122 section 3.2.2, RFC 4443 section 2.4).
    func sendError(_ error: ICMPError, quoting packet: IPPacket) {
        let kind = DestinationKind(packet.destination)
        guard kind != .multicast, kind != .broadcast, !packet.source.isUnspecified else { return }
        let quoted = packet.payload.part(0, Self.quotedBytes)
        let headerLength = packet.source.headerLength
        let source =
            configuration.gatewayAddresses.first { $0.isV4 == packet.source.isV4 } ?? packet.destination
        let isV4 = packet.source.isV4
        let count = ICMPv4.headerLength + headerLength + quoted.count
        sendPacket(
            from: source, to: packet.source, protocolNumber: isV4 ? ProtocolNumber.icmp : ProtocolNumber.icmpv6,
            count: count
        ) { frame, offset in
            let (type, code) = isV4 ? error.v4 : error.v6
            frame.set(offset, type)
            frame.set(offset + 1, code)
            frame.set(offset + 2, UInt16(0))
            // For an unknown protocol of IPv6: where its number stands.
            frame.set(offset + 4, UInt32(!isV4 && type == ICMPv6.parameterProblem ? 6 : 0))
            writeQuotedHeader(of: packet, to: frame, at: offset + ICMPv4.headerLength)
            frame.copy(quoted.buffer, to: offset + ICMPv4.headerLength + headerLength)
            writeICMPChecksum(to: frame, at: offset, count: count, from: source, to: packet.source)
        }
    }

    private func writeQuotedHeader(of packet: IPPacket, to frame: FrameBytes, at offset: Int) {
        switch (packet.source, packet.destination) {
        case (.v4(let source), .v4(let destination)):
            IPv4Header.write(
                to: frame, at: offset, from: source, to: destination, protocolNumber: packet.protocolNumber,
                payloadLength: packet.payload.count, hopLimit: packet.hopLimit, identification: packet.identification)
        case (.v6(let source), .v6(let destination)):
            IPv6Header.write(
                to: frame, at: offset, from: source, to: destination, nextHeader: packet.protocolNumber,
                payloadLength: packet.payload.count, hopLimit: packet.hopLimit)
        default: break
        }
    }

    /// Writes the checksum of a message whose field for it is zero.
    func writeICMPChecksum(
        to frame: FrameBytes, at offset: Int, count: Int, from source: IPAddress, to destination: IPAddress
    ) {
        var checksum =
            source.isV4
            ? Checksum()
            : Checksum(pseudoHeaderFrom: source, to: destination, protocolNumber: ProtocolNumber.icmpv6, length: count)
        checksum.add(frame.part(offset, count))
        frame.setChecksum(offset + 2, checksum)
    }
}
