import NetworkAddress

/// The header of a datagram of UDP (RFC 768).
struct UDPHeader {
    static let length = 8

    var sourcePort: UInt16
    var destinationPort: UInt16
    /// Of header and payload, in bytes.
    var totalLength: Int

    /// Reads the header; `nil` when it is none, says more than there is, or the checksum is wrong. Without a checksum,
    /// which IPv4 allows, nothing is checked.
    init?(_ packet: IPPacket) {
        let bytes = packet.payload
        guard bytes.count >= Self.length else { return nil }
        sourcePort = bytes.u16(0)
        destinationPort = bytes.u16(2)
        totalLength = Int(bytes.u16(4))
        guard totalLength >= Self.length, totalLength <= bytes.count else { return nil }
        if bytes.u16(6) == 0 {
            guard packet.source.isV4 else { return nil }
        } else {
            var checksum = Checksum(
                pseudoHeaderFrom: packet.source, to: packet.destination, protocolNumber: ProtocolNumber.udp,
                length: totalLength)
            checksum.add(bytes.part(0, totalLength))
            guard checksum.isValid else { return nil }
        }
    }
}

extension NetworkStack {
    /// Hands a datagram up.
    func receiveUDP(_ packet: IPPacket, at now: Instant) {
        guard let header = UDPHeader(packet) else {
            ignoredFrames += 1
            return
        }
        guard header.destinationPort != 0, !packet.destination.isUnspecified else {
            return tell(
                RefusedPacket(
                    reason: .unsuitableDestination, from: packet.source, to: packet.destination,
                    protocolNumber: ProtocolNumber.udp, port: header.destinationPort))
        }
        guard mayWait(header.totalLength - UDPHeader.length) else { return }
        let payload = packet.payload.part(UDPHeader.length, header.totalLength - UDPHeader.length)
        events.append(
            .datagram(
                Datagram(
                    from: Endpoint(packet.source, header.sourcePort),
                    to: Endpoint(packet.destination, header.destinationPort), payload: Array(payload.buffer),
                    destination: DestinationKind(packet.destination), hopLimit: packet.hopLimit,
                    identification: packet.identification)))
    }

    /// Sends the guest a datagram, in fragments when it is longer than the MTU. Whether it was sent or waits for the link:
    /// not when it is longer than a datagram can be, the addresses are of different versions, or too much waits.
    @discardableResult
    public func sendDatagram(
        from: Endpoint, to: Endpoint, _ payload: UnsafeRawBufferPointer, at now: Instant
    ) -> Bool {
        let length = UDPHeader.length + payload.count
        let largest = 65535 - (from.address.isV4 ? IPv4Header.minimumLength : 0)
        guard from.address.isV4 == to.address.isV4, length <= largest else { return false }
        if to.address.isLoopback { loopbackFlows.insert(TCPFlow(guest: to, peer: from)) }
        if from.address.headerLength + length <= mtu {
            return sendPacket(
                from: from.address, to: to.address, protocolNumber: ProtocolNumber.udp, count: length
            ) { Self.writeDatagram(to: $0, at: $1, from: from, to: to, payload) }
        }
        var bytes = [UInt8](repeating: 0, count: length)
        bytes.withUnsafeMutableBytes { Self.writeDatagram(to: FrameBytes($0), at: 0, from: from, to: to, payload) }
        return sendPayload(bytes, from: from.address, to: to.address, protocolNumber: ProtocolNumber.udp)
    }

    private static func writeDatagram(
        to frame: FrameBytes, at offset: Int, from: Endpoint, to: Endpoint, _ payload: UnsafeRawBufferPointer
    ) {
        let length = UDPHeader.length + payload.count
        frame.set(offset, from.port)
        frame.set(offset + 2, to.port)
        frame.set(offset + 4, UInt16(truncatingIfNeeded: length))
        frame.set(offset + 6, UInt16(0))
        let sum = frame.copySumming(payload, to: offset + UDPHeader.length)
        var checksum = Checksum(
            pseudoHeaderFrom: from.address, to: to.address, protocolNumber: ProtocolNumber.udp, length: length)
        checksum.add(frame.part(offset, UDPHeader.length))
        checksum.add(sum: sum, isOdd: false)
        // Zero would say that there is none.
        if checksum.field == 0 {
            frame.set(offset + 6, UInt16(0xFFFF))
        } else {
            frame.setChecksum(offset + 6, checksum)
        }
    }
}
