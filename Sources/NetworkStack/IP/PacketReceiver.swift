import NetworkAddress

extension NetworkStack {
    /// Takes a packet of IPv4.
    func receiveIPv4(_ bytes: PacketBytes, at now: Instant) {
        guard let header = IPv4Header(bytes) else {
            ignoredFrames += 1
            return
        }
        let payload = bytes.part(header.length, header.totalLength - header.length)
        var packet = IPPacket(
            source: .v4(header.source), destination: .v4(header.destination), protocolNumber: header.protocolNumber,
            hopLimit: header.hopLimit, identification: header.identification, payload: payload)
        guard isOwnSource(packet), !forward(bytes.part(0, header.totalLength), to: packet.destination) else { return }
        guard header.isFragment else { return deliver(packet, at: now) }
        let key = Reassembly.Key(
            source: packet.source, destination: packet.destination, identification: UInt32(header.identification),
            protocolNumber: header.protocolNumber)
        let whole = reassembly.add(
            payload, offset: header.fragmentOffset, moreFragments: header.moreFragments,
            nextHeader: header.protocolNumber, hopLimit: header.hopLimit, key: key, at: now)
        guard let whole else { return }
        packet.hopLimit = whole.hopLimit
        whole.bytes.withUnsafeBytes {
            packet.payload = PacketBytes($0)
            deliver(packet, at: now)
        }
    }

    /// Takes a packet of IPv6.
    func receiveIPv6(_ bytes: PacketBytes, at now: Instant) {
        guard let header = IPv6Header(bytes) else {
            ignoredFrames += 1
            return
        }
        let bytes = bytes.part(0, header.totalLength)
        var packet = IPPacket(
            source: .v6(header.source), destination: .v6(header.destination), protocolNumber: ProtocolNumber.none,
            hopLimit: header.hopLimit, identification: 0, payload: bytes)
        if case .payload(let number, let offset) = header.content {
            packet.protocolNumber = number
            packet.payload = bytes.part(offset)
            // Neighbours are discovered from link-local addresses, and before the guest has any.
            if number == ProtocolNumber.icmpv6, header.source.isLinkLocal || packet.source.isUnspecified {
                return receiveFromNoAddress(packet, at: now)
            }
        }
        guard isOwnSource(packet), !forward(bytes, to: packet.destination) else { return }
        switch header.content {
        case .payload: deliver(packet, at: now)
        case .fragment(let fragment, let offset):
            let key = Reassembly.Key(
                source: packet.source, destination: packet.destination, identification: fragment.identification,
                protocolNumber: 0)
            let whole = reassembly.add(
                bytes.part(offset), offset: fragment.offset, moreFragments: fragment.moreFragments,
                nextHeader: fragment.nextHeader, hopLimit: header.hopLimit, key: key, at: now)
            guard let whole else { return }
            packet.hopLimit = whole.hopLimit
            whole.bytes.withUnsafeBytes {
                let bytes = PacketBytes($0)
                // A fragment within a datagram that was put together is nobody's.
                guard
                    case .payload(let number, let offset) = IPv6Header.content(
                        of: bytes, nextHeader: whole.nextHeader, offset: 0)
                else {
                    ignoredFrames += 1
                    return
                }
                packet.protocolNumber = number
                packet.payload = bytes.part(offset)
                deliver(packet, at: now)
            }
        }
    }

    /// Gives a packet, whole and from an address of the guest, to its protocol.
    private func deliver(_ packet: IPPacket, at now: Instant) {
        switch (packet.protocolNumber, packet.source.isV4) {
        case (ProtocolNumber.tcp, _): receiveTCP(packet, at: now)
        case (ProtocolNumber.udp, _): receiveUDP(packet, at: now)
        case (ProtocolNumber.icmp, true): receiveICMPv4(packet, at: now)
        case (ProtocolNumber.icmpv6, false): receiveICMPv6(packet, at: now)
        // Which groups the guest listens to: there are none here.
        case (ProtocolNumber.igmp, true), (ProtocolNumber.none, false): break
        default:
            tell(
                RefusedPacket(
                    reason: .unsupportedProtocol, from: packet.source, to: packet.destination,
                    protocolNumber: packet.protocolNumber))
            sendError(.protocolUnreachable, quoting: packet)
        }
    }

    /// Whether the guest may send from the source of a packet; if not, it is told. From loopback it may answer what was
    /// sent there.
    private func isOwnSource(_ packet: IPPacket) -> Bool {
        if configuration.guestAddresses.contains(packet.source) { return true }
        if packet.source.isLoopback, isAnswerFromLoopback(packet) { return true }
        tell(
            RefusedPacket(
                reason: .forgedSource, from: packet.source, to: packet.destination,
                protocolNumber: packet.protocolNumber))
        return false
    }

    private func isAnswerFromLoopback(_ packet: IPPacket) -> Bool {
        let payload = packet.payload
        switch packet.protocolNumber {
        case ProtocolNumber.tcp, ProtocolNumber.udp:
            guard payload.count >= 8 else { return false }
            let flow = TCPFlow(
                guest: Endpoint(packet.source, payload.u16(0)), peer: Endpoint(packet.destination, payload.u16(2)))
            if packet.protocolNumber == ProtocolNumber.udp { return loopbackFlows.contains(flow) }
            return connections[flow] != nil || closedConnections[flow] != nil
        // An error about a datagram, which is looked at further on.
        case ProtocolNumber.icmp: return payload.u8(0) == ICMPv4.destinationUnreachable
        case ProtocolNumber.icmpv6: return payload.u8(0) == ICMPv6.destinationUnreachable
        default: return false
        }
    }

    /// Hands a packet up whole, if its destination is forwarded.
    private func forward(_ bytes: PacketBytes, to destination: IPAddress) -> Bool {
        guard forwardedRanges.contains(where: { $0.contains(destination) }) else { return false }
        if mayWait(bytes.count) { events.append(.packet(Array(bytes.buffer))) }
        return true
    }
}

extension IPv6Address {
    /// `fe80::/10`
    var isLinkLocal: Bool { high >> 54 == 0x3FA }
}
