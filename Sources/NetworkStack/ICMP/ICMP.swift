import NetworkAddress

extension NetworkStack {
    /// Takes a message of ICMP for IPv4.
    func receiveICMPv4(_ packet: IPPacket, at now: Instant) {
        var checksum = Checksum()
        checksum.add(packet.payload)
        guard packet.payload.count >= ICMPv4.headerLength, checksum.isValid else {
            ignoredFrames += 1
            return
        }
        switch packet.payload.u8(0) {
        case ICMPv4.echoRequest: receiveEcho(packet, at: now)
        case ICMPv4.destinationUnreachable:
            receiveUnreachable(packet, isPort: packet.payload.u8(1) == 3, at: now)
        // What the guest says of packets that came to it changes nothing.
        case ICMPv4.echoReply, ICMPv4.timeExceeded: break
        default: tellUnsupportedMessage(packet)
        }
    }

    /// Takes a message of ICMPv6 from one of the guest's addresses.
    func receiveICMPv6(_ packet: IPPacket, at now: Instant) {
        guard packet.payload.count >= ICMPv4.headerLength, packet.hasValidChecksum else {
            ignoredFrames += 1
            return
        }
        switch packet.payload.u8(0) {
        case ICMPv6.echoRequest: receiveEcho(packet, at: now)
        case ICMPv6.destinationUnreachable:
            receiveUnreachable(packet, isPort: packet.payload.u8(1) == 4, at: now)
        case ICMPv6.echoReply, ICMPv6.packetTooBig, ICMPv6.timeExceeded, ICMPv6.parameterProblem: break
        case ICMPv6.neighbourSolicitation, ICMPv6.routerSolicitation: receiveDiscovery(packet, at: now)
        case ICMPv6.neighbourAdvertisement, ICMPv6.listenerMessages, ICMPv6.listenerReport: break
        default: tellUnsupportedMessage(packet)
        }
    }

    /// Takes a message of ICMPv6 from the unspecified address or from one of the link alone: what discovers neighbours.
    func receiveFromNoAddress(_ packet: IPPacket, at now: Instant) {
        guard packet.payload.count >= 4, packet.hasValidChecksum else {
            ignoredFrames += 1
            return
        }
        switch packet.payload.u8(0) {
        case ICMPv6.neighbourSolicitation, ICMPv6.routerSolicitation: receiveDiscovery(packet, at: now)
        case ICMPv6.neighbourAdvertisement, ICMPv6.listenerMessages, ICMPv6.listenerReport: break
        default:
            tell(
                RefusedPacket(
                    reason: .forgedSource, from: packet.source, to: packet.destination,
                    protocolNumber: ProtocolNumber.icmpv6))
        }
    }

    private func tellUnsupportedMessage(_ packet: IPPacket) {
        tell(
            RefusedPacket(
                reason: .unsupportedMessage, from: packet.source, to: packet.destination,
                protocolNumber: packet.protocolNumber))
    }

    /// Answers a ping of the gateway, and hands others up.
    private func receiveEcho(_ packet: IPPacket, at now: Instant) {
        let payload = packet.payload.part(ICMPv4.headerLength)
        let kind = DestinationKind(packet.destination)
        guard kind == .unicast || kind == .linkLocal, !packet.destination.isUnspecified else {
            return tell(
                RefusedPacket(
                    reason: .unsuitableDestination, from: packet.source, to: packet.destination,
                    protocolNumber: packet.protocolNumber))
        }
        let isOwn = configuration.gatewayAddresses.contains(packet.destination)
        guard isOwn || mayWait(payload.count) else { return }
        let request = EchoRequest(
            from: packet.source, to: packet.destination, identifier: packet.payload.u16(4),
            sequence: packet.payload.u16(6), payload: Array(payload.buffer), hopLimit: packet.hopLimit,
            identification: packet.identification)
        if isOwn { sendEchoReply(request, payload: payload.buffer, at: now) } else { events.append(.echo(request)) }
    }

    /// Answers a ping, with the payload that came back. One that is longer than any packet is cut.
    public func sendEchoReply(_ request: EchoRequest, payload: UnsafeRawBufferPointer, at now: Instant) {
        let isV4 = request.to.isV4
        let largest = 65535 - ICMPv4.headerLength - (isV4 ? IPv4Header.minimumLength : 0)
        let payload = PacketBytes(payload).part(0, largest)
        let count = ICMPv4.headerLength + payload.count
        var message = [UInt8](repeating: 0, count: count)
        message.withUnsafeMutableBytes {
            let frame = FrameBytes($0)
            frame.set(0, isV4 ? ICMPv4.echoReply : ICMPv6.echoReply)
            frame.set(4, request.identifier)
            frame.set(6, request.sequence)
            frame.copy(payload.buffer, to: ICMPv4.headerLength)
            writeICMPChecksum(to: frame, at: 0, count: count, from: request.to, to: request.from)
        }
        _ = sendPayload(
            message, from: request.to, to: request.from,
            protocolNumber: isV4 ? ProtocolNumber.icmp : ProtocolNumber.icmpv6)
    }

    /// Tells the guest that a datagram of its went nowhere.
    public func refuse(_ datagram: Datagram, _ reason: Refusal, at now: Instant) {
        guard let error = ICMPError(reason) else { return }
        let length = UDPHeader.length + datagram.payload.count
        var start = [UInt8](repeating: 0, count: UDPHeader.length)
        start.withUnsafeMutableBytes {
            let frame = FrameBytes($0)
            frame.set(0, datagram.from.port)
            frame.set(2, datagram.to.port)
            frame.set(4, UInt16(truncatingIfNeeded: length))
        }
        sendError(
            error, quoting: start + datagram.payload.prefix(56), from: datagram.from.address, to: datagram.to.address,
            protocolNumber: ProtocolNumber.udp, hopLimit: datagram.hopLimit, identification: datagram.identification)
    }

    /// Tells the guest that a ping of its went nowhere.
    public func refuse(_ request: EchoRequest, _ reason: Refusal, at now: Instant) {
        guard let error = ICMPError(reason) else { return }
        let isV4 = request.from.isV4
        var start = [UInt8](repeating: 0, count: ICMPv4.headerLength)
        start.withUnsafeMutableBytes {
            let frame = FrameBytes($0)
            frame.set(0, isV4 ? ICMPv4.echoRequest : ICMPv6.echoRequest)
            frame.set(4, request.identifier)
            frame.set(6, request.sequence)
        }
        sendError(
            error, quoting: start + request.payload.prefix(56), from: request.from, to: request.to,
            protocolNumber: isV4 ? ProtocolNumber.icmp : ProtocolNumber.icmpv6, hopLimit: request.hopLimit,
            identification: request.identification)
    }

    /// Sends an error about a packet of which only the beginning of the payload is left.
    func sendError(
        _ error: ICMPError, quoting payload: [UInt8], from source: IPAddress, to destination: IPAddress,
        protocolNumber: UInt8, hopLimit: UInt8, identification: UInt16 = 0
    ) {
        payload.withUnsafeBytes {
            sendError(
                error,
                quoting: IPPacket(
                    source: source, destination: destination, protocolNumber: protocolNumber, hopLimit: hopLimit,
                    identification: identification, payload: PacketBytes($0)))
        }
    }

    /// The guest says that something sent to it went nowhere; `isPort` when that is since nobody listens.
    private func receiveUnreachable(_ packet: IPPacket, isPort: Bool, at now: Instant) {
        let quoted = packet.payload.part(ICMPv4.headerLength)
        guard let flow = quotedFlow(in: quoted) else { return }
        switch flow.protocolNumber {
        case ProtocolNumber.udp:
            guard isPort, waitingRefusals < limits.waitingRefusals else { return }
            waitingRefusals += 1
            events.append(.datagramRefused(from: flow.flow.peer, to: flow.flow.guest))
        case ProtocolNumber.tcp:
            guard let connection = connections[flow.flow], case .synSent = connection.state,
                flow.sequence == connection.initialSequence
            else { return }
            close(connection, .unreachable, at: now)
        default: break
        }
    }

    /// The ends of what an error quotes, which the stack sent: from a peer to an address of the guest.
    private func quotedFlow(
        in quoted: PacketBytes
    ) -> (flow: TCPFlow, protocolNumber: UInt8, sequence: SequenceNumber)? {
        let source: IPAddress, destination: IPAddress
        let protocolNumber: UInt8, offset: Int
        switch quoted.u8(0) >> 4 {
        case 4:
            offset = Int(quoted.u8(0) & 15) * 4
            source = .v4(IPv4Address(quoted.u32(12)))
            destination = .v4(IPv4Address(quoted.u32(16)))
            protocolNumber = quoted.u8(9)
        case 6:
            offset = IPv6Header.length
            source = .v6(IPv6Address(high: quoted.u64(8), low: quoted.u64(16)))
            destination = .v6(IPv6Address(high: quoted.u64(24), low: quoted.u64(32)))
            protocolNumber = quoted.u8(6)
        default: return nil
        }
        guard offset + 8 <= quoted.count, configuration.guestAddresses.contains(destination) || destination.isLoopback
        else { return nil }
        let flow = TCPFlow(
            guest: Endpoint(destination, quoted.u16(offset + 2)), peer: Endpoint(source, quoted.u16(offset)))
        return (flow, protocolNumber, SequenceNumber(quoted.u32(offset + 4)))
    }
}
