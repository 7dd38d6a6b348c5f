import NetworkAddress

extension ForwardedPacket {
    /// How much of a refused packet is quoted behind its own header.
    private static let quotedBytes = 64

    /// The packet by which its sender hears that it was refused, as if its destination had said so: a reset, or an error
    /// of ICMP. `nil` for silence, and for packets that nobody answers: errors, resets, later parts, packets to many (RFC
    /// 1122 section 3.2.2, RFC 4443 section 2.4).
    /// - Parameter bytes: the packet that this was read from.
    public func answer(_ refusal: Refusal, to bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard DestinationKind(destination) == .unicast, DestinationKind(source) == .unicast, !source.isUnspecified
        else {
            return nil
        }
        switch content {
        case .error, .echoReply, .fragment, .malformed: return nil
        case .tcp(let segment):
            if segment.resets { return nil }
            guard refusal == .reset else { break }
            return Self.reset(
                from: Endpoint(destination, segment.destinationPort), to: Endpoint(source, segment.sourcePort),
                sequence: segment.acknowledges ? segment.acknowledgement : 0,
                acknowledgement: segment.acknowledges ? nil : segment.next)
        case .other where refusal == .reset: return error(.protocolUnreachable, quoting: PacketBytes(bytes))
        default: break
        }
        return ICMPError(refusal).map { error($0, quoting: PacketBytes(bytes)) }
    }

    /// A segment that ends a connection (RFC 9293 section 3.5.2).
    /// - Parameters:
    ///   - sequence: what its receiver expects, or it has no effect.
    ///   - acknowledgement: what its receiver has sent, for one whose connection has just begun.
    public static func reset(
        from source: Endpoint, to destination: Endpoint, sequence: UInt32, acknowledgement: UInt32?
    ) -> [UInt8] {
        packet(from: source.address, to: destination.address, ProtocolNumber.tcp, count: TCPHeader.minimumLength) {
            packet, offset in
            TCPHeader.write(
                to: packet, at: offset, sourcePort: source.port, destinationPort: destination.port,
                sequence: SequenceNumber(sequence), acknowledgement: SequenceNumber(acknowledgement ?? 0),
                length: TCPHeader.minimumLength, flags: acknowledgement == nil ? .reset : [.reset, .acknowledgement],
                window: 0)
            var checksum = Checksum(
                pseudoHeaderFrom: source.address, to: destination.address, protocolNumber: ProtocolNumber.tcp,
                length: TCPHeader.minimumLength)
            checksum.add(packet.part(offset, TCPHeader.minimumLength))
            packet.setChecksum(offset + 16, checksum)
        }
    }

    private func error(_ error: ICMPError, quoting bytes: PacketBytes) -> [UInt8] {
        let quoted = bytes.part(0, min(end, payloadOffset + Self.quotedBytes))
        let isV4 = source.isV4
        let number = isV4 ? ProtocolNumber.icmp : ProtocolNumber.icmpv6
        let count = ICMPv4.headerLength + quoted.count
        return Self.packet(from: destination, to: source, number, count: count) { packet, offset in
            let (type, code) = isV4 ? error.v4 : error.v6
            packet.set(offset, type)
            packet.set(offset + 1, code)
            // For an unknown protocol of IPv6: where its number stands.
            if !isV4, type == ICMPv6.parameterProblem { packet.set(offset + 4, UInt32(6)) }
            packet.copy(quoted.buffer, to: offset + ICMPv4.headerLength)
            var checksum =
                isV4
                ? Checksum()
                : Checksum(pseudoHeaderFrom: destination, to: source, protocolNumber: number, length: count)
            checksum.add(packet.part(offset, count))
            packet.setChecksum(offset + 2, checksum)
        }
    }

    /// A packet of IP whose content, of zeros, `body` fills in from the offset that it is given.
    private static func packet(
        from source: IPAddress, to destination: IPAddress, _ number: UInt8, count: Int,
        _ body: (FrameBytes, Int) -> Void
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: source.headerLength + count)
        bytes.withUnsafeMutableBytes {
            let packet = FrameBytes($0)
            switch (source, destination) {
            case (.v4(let source), .v4(let destination)):
                IPv4Header.write(
                    to: packet, at: 0, from: source, to: destination, protocolNumber: number, payloadLength: count)
            case (.v6(let source), .v6(let destination)):
                IPv6Header.write(
                    to: packet, at: 0, from: source, to: destination, nextHeader: number, payloadLength: count)
            default: return
            }
            body(packet, source.headerLength)
        }
        return bytes
    }
}
