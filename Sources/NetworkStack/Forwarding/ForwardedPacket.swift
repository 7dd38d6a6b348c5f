import NetworkAddress

/// What a packet of IP says of itself, as far as those must know who hand it on whole.
public struct ForwardedPacket: Sendable, Equatable {
    /// What it carries.
    public enum Content: Sendable, Equatable {
        /// A segment of TCP.
        case tcp(Segment)
        /// A datagram of UDP: the ports of its source and destination.
        case udp(UInt16, UInt16)
        /// A ping, and its identifier.
        case echo(UInt16)
        /// The answer to one.
        case echoReply(UInt16)
        /// An error of ICMP about a packet that the receiver has sent: what that carried, from which address to which.
        case error(Quoted)
        /// A later part of a datagram, which says no more of what it carries.
        case fragment
        /// Anything else.
        case other
        /// What is no packet of its protocol, or only the beginning of one's header.
        case malformed
    }

    /// What the header of a segment says (RFC 9293 section 3.1).
    public struct Segment: Sendable, Equatable {
        /// The port of its source.
        public var sourcePort: UInt16
        /// The port of its destination.
        public var destinationPort: UInt16
        /// The place of its first byte.
        public var sequence: UInt32
        /// The place after its last one; its beginning and end count for one each.
        public var next: UInt32
        /// What its sender expects; 0 when it does not say.
        public var acknowledgement: UInt32
        /// Its flags.
        var flags: TCPFlags

        /// Whether it begins a connection.
        public var begins: Bool { flags.contains(.syn) && !flags.contains(.acknowledgement) && !flags.contains(.reset) }
        /// Whether it ends one at once.
        public var resets: Bool { flags.contains(.reset) }
        /// Whether its sender has nothing more to send.
        public var finishes: Bool { flags.contains(.fin) }
        /// Whether it says what its sender expects.
        public var acknowledges: Bool { flags.contains(.acknowledgement) }
    }

    /// A packet that an error quotes, as far as it is quoted.
    public struct Quoted: Sendable, Equatable {
        /// Who sent it, and from which port; of a ping its identifier.
        public var from: Endpoint
        /// Where it was to go.
        public var to: Endpoint
        /// 6, 17, 1 or 58.
        public var protocolNumber: UInt8
    }

    /// Who has sent it, as it says.
    public var source: IPAddress
    /// Where it goes.
    public var destination: IPAddress
    /// The protocol of what it carries.
    public var protocolNumber: UInt8
    /// What it carries.
    public var content: Content
    /// Which datagram it is a part of, when it is only a part.
    public var identification: UInt32?
    /// Where in the packet its content begins.
    let payloadOffset: Int
    /// Where the packet ends: what follows is nothing of it.
    let end: Int

    /// Reads a packet; `nil` when it is none: its header is broken, or says more than there is.
    public init?(_ bytes: UnsafeRawBufferPointer) { self.init(PacketBytes(bytes)) }

    init?(_ bytes: PacketBytes) {
        let offset: Int
        var isLater = false
        switch bytes.u8(0) >> 4 {
        case 4:
            guard let header = IPv4Header(bytes) else { return nil }
            (source, destination) = (.v4(header.source), .v4(header.destination))
            (protocolNumber, offset, end) = (header.protocolNumber, header.length, header.totalLength)
            if header.isFragment { identification = UInt32(header.identification) }
            isLater = header.fragmentOffset > 0
        case 6:
            guard let header = IPv6Header(bytes) else { return nil }
            (source, destination) = (.v6(header.source), .v6(header.destination))
            end = header.totalLength
            switch header.content {
            case .payload(let number, let place): (protocolNumber, offset) = (number, place)
            case .fragment(let fragment, let place):
                identification = fragment.identification
                isLater = fragment.offset > 0
                // Headers that come within the fragments are none that a sandbox needs.
                (protocolNumber, offset) = (fragment.nextHeader, place)
            }
        default: return nil
        }
        payloadOffset = offset
        content = .fragment
        guard !isLater else { return }
        content = Self.content(bytes.part(offset, end - offset), protocolNumber, isV4: source.isV4)
    }

    private static func content(_ payload: PacketBytes, _ number: UInt8, isV4: Bool) -> Content {
        switch number {
        case ProtocolNumber.tcp:
            guard let header = TCPHeader(payload) else { return .malformed }
            var length = UInt32(truncatingIfNeeded: payload.count - header.length)
            for flag in [TCPFlags.syn, .fin] where header.flags.contains(flag) { length &+= 1 }
            return .tcp(
                Segment(
                    sourcePort: header.sourcePort, destinationPort: header.destinationPort,
                    sequence: header.sequence.value, next: header.sequence.value &+ length,
                    acknowledgement: header.flags.contains(.acknowledgement) ? header.acknowledgement.value : 0,
                    flags: header.flags))
        case ProtocolNumber.udp:
            guard payload.count >= 8 else { return .malformed }
            return .udp(payload.u16(0), payload.u16(2))
        case ProtocolNumber.icmp where isV4, ProtocolNumber.icmpv6 where !isV4:
            guard payload.count >= ICMPv4.headerLength else { return .malformed }
            return message(payload, isV4: isV4)
        default: return .other
        }
    }

    private static func message(_ payload: PacketBytes, isV4: Bool) -> Content {
        switch (payload.u8(0), isV4) {
        case (ICMPv4.echoRequest, true), (ICMPv6.echoRequest, false): .echo(payload.u16(4))
        case (ICMPv4.echoReply, true), (ICMPv6.echoReply, false): .echoReply(payload.u16(4))
        case (ICMPv4.destinationUnreachable, true), (ICMPv4.timeExceeded, true), (12, true),
            (ICMPv6.destinationUnreachable...ICMPv6.parameterProblem, false):
            quoted(payload.part(ICMPv4.headerLength)).map { .error($0) } ?? .malformed
        default: .other
        }
    }

    /// What an error quotes, of which there may be the beginning only.
    private static func quoted(_ packet: PacketBytes) -> Quoted? {
        let (source, destination): (IPAddress, IPAddress)
        let (number, offset): (UInt8, Int)
        switch packet.u8(0) >> 4 {
        case 4:
            offset = Int(packet.u8(0) & 15) * 4
            guard offset >= IPv4Header.minimumLength, packet.u16(6) & 0x1FFF == 0 else { return nil }
            (source, destination) = (.v4(IPv4Address(packet.u32(12))), .v4(IPv4Address(packet.u32(16))))
            number = packet.u8(9)
        case 6:
            offset = IPv6Header.length
            source = .v6(IPv6Address(high: packet.u64(8), low: packet.u64(16)))
            destination = .v6(IPv6Address(high: packet.u64(24), low: packet.u64(32)))
            number = packet.u8(6)
        default: return nil
        }
        guard packet.count >= offset + 8 else { return nil }
        switch number {
        case ProtocolNumber.tcp, ProtocolNumber.udp:
            return Quoted(
                from: Endpoint(source, packet.u16(offset)), to: Endpoint(destination, packet.u16(offset + 2)),
                protocolNumber: number)
        case ProtocolNumber.icmp, ProtocolNumber.icmpv6:
            let identifier = packet.u16(offset + 4)
            return Quoted(
                from: Endpoint(source, identifier), to: Endpoint(destination, identifier), protocolNumber: number)
        default: return nil
        }
    }

    /// The port that it goes to; 0 where it says none.
    public var destinationPort: UInt16 {
        switch content {
        case .tcp(let segment): segment.destinationPort
        case .udp(_, let port): port
        default: 0
        }
    }
}
