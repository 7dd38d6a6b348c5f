import NetworkAddress

/// A segment from the guest, its checksum valid.
struct TCPSegment {
    var header: TCPHeader
    var data: PacketBytes

    /// How many sequence numbers it takes.
    var length: Int {
        data.count + (header.flags.contains(.syn) ? 1 : 0) + (header.flags.contains(.fin) ? 1 : 0)
    }
}

extension NetworkStack {
    /// Takes a segment and gives it to its connection.
    func receiveTCP(_ packet: IPPacket, at now: Instant) {
        guard packet.hasValidChecksum, let header = TCPHeader(packet.payload) else {
            ignoredFrames += 1
            return
        }
        let flow = TCPFlow(
            guest: Endpoint(packet.source, header.sourcePort),
            peer: Endpoint(packet.destination, header.destinationPort))
        let segment = TCPSegment(header: header, data: packet.payload.part(header.length))
        if let connection = connections[flow] {
            switch connection.state {
            case .requested: receiveWhileRequested(segment, connection, packet, at: now)
            case .synSent: receiveWhileConnecting(segment, connection, at: now)
            case .drained: break
            default: receive(segment, connection, at: now)
            }
        } else if closedConnections[flow] != nil {
            receiveWhileClosed(segment, flow, packet, at: now)
        } else {
            receiveUnknown(segment, flow, packet, at: now)
        }
    }

    /// A segment of no connection: a request for one, or something that is answered with a reset.
    func receiveUnknown(_ segment: TCPSegment, _ flow: TCPFlow, _ packet: IPPacket, at now: Instant) {
        let flags = segment.header.flags
        guard !flags.contains(.reset) else { return }
        guard flags.contains(.syn), !flags.contains(.acknowledgement), !flags.contains(.fin) else {
            return sendReset(to: segment, flow)
        }
        let kind = DestinationKind(flow.peer.address)
        let isSuitable = kind == .unicast || kind == .linkLocal
        let isAffordable =
            connections.count < limits.connections && requestCount < limits.requests && events.count < 65536
        guard isSuitable, isAffordable, flow.peer.port != 0, !flow.peer.address.isUnspecified else {
            tell(
                RefusedPacket(
                    reason: isAffordable ? .unsuitableDestination : .tooManyConnections, from: packet.source,
                    to: packet.destination, protocolNumber: ProtocolNumber.tcp, port: flow.peer.port))
            if isSuitable { sendReset(to: segment, flow) }
            return
        }
        request(segment.header, flow, at: now)
    }

    /// A segment of a connection that is past (RFC 9293 section 3.10.7.4, RFC 6191, RFC 1337): what the guest sends again
    /// is acknowledged again, and a new connection between the same ends may begin.
    private func receiveWhileClosed(_ segment: TCPSegment, _ flow: TCPFlow, _ packet: IPPacket, at now: Instant) {
        guard let entry = closedConnections[flow], !segment.header.flags.contains(.reset) else { return }
        let header = segment.header
        if header.flags.contains(.syn), !header.flags.contains(.acknowledgement) {
            let isNewer =
                if let recent = entry.timestamps?.recent, let value = header.options.timestamp?.value {
                    Int32(bitPattern: value &- recent) > 0
                } else {
                    header.sequence > entry.acknowledgement
                }
            if isNewer {
                closedConnections.remove(flow)
                return receiveUnknown(segment, flow, packet, at: now)
            }
        }
        guard segment.length > 0 else { return }
        let timestamps = entry.timestamps.map { (now.milliseconds &+ $0.offset, $0.recent) }
        sendBare(
            flow, sequence: entry.sequence, acknowledgement: entry.acknowledgement, flags: .acknowledgement,
            window: .max, timestamps: timestamps)
    }

    /// A segment of a connection whose handshake is at least begun (RFC 9293 section 3.10.7.4).
    private func receive(_ segment: TCPSegment, _ connection: TCPConnection, at now: Instant) {
        let header = segment.header
        let flags = header.flags
        var sequence = header.sequence
        var isSynReceived = false
        if case .synReceived = connection.state {
            isSynReceived = true
            if flags.contains(.syn), sequence == connection.guestInitialSequence {
                guard flags.contains(.acknowledgement) else {
                    // The guest has not seen our answer.
                    connection.next = connection.initialSequence
                    return transmit(connection, at: now)
                }
                // Both have begun at once: what is acknowledged counts.
                sequence = connection.expected
            }
        }
        // Too old a timestamp: a segment of long ago (RFC 7323 section 5).
        if connection.usesTimestamps, let value = header.options.timestamp?.value, !flags.contains(.reset),
            Int32(bitPattern: value &- connection.recentTimestamp) < 0,
            now.nanoseconds(since: connection.recentTimestampAge) < .seconds(24 * 24 * 3600)
        {
            return acknowledgeNow(connection, at: now)
        }
        let expected = connection.expected
        let windowEnd = SequenceNumber.later(connection.announced, expected)
        let isInside = sequence == expected || (sequence > expected && sequence < windowEnd)
        if flags.contains(.reset) {
            // RFC 5961 section 3: only the very next number resets.
            if sequence == expected {
                closedByReset(connection, at: now)
            } else if isInside {
                acknowledgeNow(connection, at: now)
            }
            return
        }
        guard isInside || (sequence < expected && sequence + segment.length > expected) else {
            return acknowledgeNow(connection, at: now)
        }
        // RFC 5961 section 4.
        if flags.contains(.syn), sequence == header.sequence { return acknowledgeNow(connection, at: now) }
        guard flags.contains(.acknowledgement) else { return }
        connection.heard = now
        connection.keepAlive?.sent = 0
        if let value = header.options.timestamp?.value, connection.usesTimestamps,
            sequence <= connection.lastAcknowledgement, Int32(bitPattern: value &- connection.recentTimestamp) >= 0
        {
            connection.recentTimestamp = value
            connection.recentTimestampAge = now
        }
        if isSynReceived {
            guard header.acknowledgement == connection.initialSequence + 1 else {
                return sendReset(to: segment, connection.flow)
            }
            establish(connection, header, at: now)
        }
        guard receiveAcknowledgement(segment, connection, at: now) else { return }
        if segment.length > 0 {
            receiveData(
                segment.data, sequence, finishes: flags.contains(.fin), windowEnd: windowEnd, connection, at: now)
        }
        guard isAlive(connection) else { return }
        transmit(connection, at: now)
    }

    /// Takes data and FIN, those too that are not yet next.
    private func receiveData(
        _ data: PacketBytes, _ sequence: SequenceNumber, finishes: Bool, windowEnd: SequenceNumber,
        _ connection: TCPConnection, at now: Instant
    ) {
        var data = data
        var sequence = sequence
        var finishes = finishes
        if sequence < connection.expected {
            let known = connection.expected - sequence
            // Nothing new, or only the end is.
            connection.mustAcknowledge = true
            if known > data.count { return }
            data = data.part(known)
            sequence = connection.expected
        }
        let room = windowEnd - sequence
        if data.count > room {
            data = data.part(0, room)
            finishes = false
            connection.mustAcknowledge = true
        }
        guard connection.receives else { return }
        if data.count > 0 {
            guard store(data, sequence, connection, at: now) else { return }
            if connection.input.count > 0, connection.expected - sequence > 0, !connection.toldReadable {
                connection.toldReadable = true
                events.append(.readable(connection.id))
            }
        }
        if finishes {
            connection.earlyFinish = sequence + data.count
            // What is behind it is no data; what is missing before it is asked for.
            if connection.earlyFinish != connection.expected { connection.mustAcknowledge = true }
        }
        if let end = connection.earlyFinish, end == connection.expected { receiveFinish(connection, at: now) }
    }

    /// Puts data at its place; whether there was memory for it.
    private func store(
        _ data: PacketBytes, _ sequence: SequenceNumber, _ connection: TCPConnection, at now: Instant
    ) -> Bool {
        let offset = connection.input.count + (sequence - connection.expected)
        guard connection.input.grow(to: offset + data.count, pool: pool) else { return false }
        if sequence == connection.expected {
            connection.input.store(data.buffer, at: offset)
            var end = sequence + data.count
            if !connection.early.isEmpty {
                if let first = connection.early.first, first.start <= end {
                    end = SequenceNumber.later(end, first.end)
                }
                connection.early.removeAll(before: end)
                connection.mustAcknowledge = true
            }
            connection.input.extend(end - connection.expected)
            connection.unacknowledgedInput += end - connection.expected
            connection.expected = end
            if connection.acknowledgementDeadline == nil {
                connection.acknowledgementDeadline = now.advanced(by: limits.acknowledgementDelay)
            }
        } else {
            connection.mustAcknowledge = true
            guard connection.early.insert(SequenceRange(start: sequence, end: sequence + data.count)) else {
                return false
            }
            connection.input.store(data.buffer, at: offset)
            connection.newestEarly = sequence
        }
        return true
    }

    /// The guest has sent everything.
    private func receiveFinish(_ connection: TCPConnection, at now: Instant) {
        connection.expected += 1
        connection.announced = SequenceNumber.later(connection.announced, connection.expected)
        connection.hasFinished = true
        connection.earlyFinish = nil
        connection.early.removeAll()
        events.append(.finished(connection.id))
        switch connection.state {
        case .established:
            connection.state = .closeWait
            // Mostly the other side ends its bytes too, and the acknowledgement goes with that.
            if connection.acknowledgementDeadline == nil {
                connection.acknowledgementDeadline = now.advanced(by: limits.acknowledgementDelay)
            }
        case .finWait1:
            connection.state = .closing
            connection.mustAcknowledge = true
        case .finWait2:
            connection.mustAcknowledge = true
            // The acknowledgement must go before the connection does.
            transmit(connection, at: now)
            rememberAndClose(connection, at: now)
        default: break
        }
    }

    /// Sends an acknowledgement, or as soon as the link has room.
    func acknowledgeNow(_ connection: TCPConnection, at now: Instant) {
        connection.mustAcknowledge = true
        transmit(connection, at: now)
    }

    /// Whether a connection is still open.
    func isAlive(_ connection: TCPConnection) -> Bool {
        if case .drained = connection.state { return false }
        return connections[connection.id] === connection
    }
}
