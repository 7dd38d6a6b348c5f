import NetworkAddress

extension NetworkStack {
    /// Writes the options of a segment after the handshake: timestamps, and what has come out of order, the newest first
    /// (RFC 2018 section 4).
    func writeOptions(_ connection: TCPConnection, to frame: FrameBytes, at place: Int, at now: Instant) {
        var place = place
        if connection.usesTimestamps {
            frame.set(place, UInt32(0x0101_080A))
            frame.set(place + 4, now.milliseconds &+ connection.timestampOffset)
            frame.set(place + 8, connection.recentTimestamp)
            place += 12
        }
        guard connection.usesSelective, !connection.early.isEmpty else { return }
        let ranges = connection.early.ranges
        let limit = min(ranges.count, connection.usesTimestamps ? 3 : 4)
        frame.set(place, UInt32(0x0101_0500) | UInt32(truncatingIfNeeded: 2 + 8 * limit))
        place += 4
        let newest = connection.early.range(containing: connection.newestEarly) ?? ranges[0]
        var written = 0
        for range in [newest] + ranges.lazy.filter({ $0 != newest }) where written < limit {
            frame.set(place, range.start.value)
            frame.set(place + 4, range.end.value)
            place += 8
            written += 1
        }
    }

    /// Sends SYN, with an acknowledgement when it answers one; whether the link had room.
    func sendSynchronize(_ connection: TCPConnection, at now: Instant) -> Bool {
        var isAnswer = false
        if case .synReceived = connection.state { isAnswer = true }
        let scales = !isAnswer || connection.ownScale > 0 || connection.guestScale > 0
        let selects = !isAnswer || connection.usesSelective
        let stamps = !isAnswer || connection.usesTimestamps
        let length = TCPHeader.minimumLength + 4 + (selects ? 4 : 0) + (stamps ? 12 : 0) + (scales ? 4 : 0)
        let flow = connection.flow
        let window = min(possibleWindow(connection), 65535)
        let type = flow.peer.address.isV4 ? Ethernet.ipv4 : Ethernet.ipv6
        let size = Ethernet.headerLength + flow.peer.address.headerLength + length
        let isSent = layFrame(type: type, length: size) { frame, offset in
            let place = writeHeader(
                to: frame, at: offset, from: flow.peer.address, to: flow.guest.address,
                protocolNumber: ProtocolNumber.tcp, count: length)
            TCPHeader.write(
                to: frame, at: place, sourcePort: flow.peer.port, destinationPort: flow.guest.port,
                sequence: connection.initialSequence,
                acknowledgement: isAnswer ? connection.expected : SequenceNumber(0), length: length,
                flags: isAnswer ? [.syn, .acknowledgement] : .syn, window: UInt16(truncatingIfNeeded: window))
            var option = place + TCPHeader.minimumLength
            frame.set(option, UInt32(0x0204_0000) | UInt32(truncatingIfNeeded: largestSegment(flow)))
            option += 4
            if selects {
                frame.set(option, UInt32(0x0101_0402))
                option += 4
            }
            if stamps {
                frame.set(option, UInt32(0x0101_080A))
                frame.set(option + 4, now.milliseconds &+ connection.timestampOffset)
                frame.set(option + 8, isAnswer ? connection.recentTimestamp : 0)
                option += 12
            }
            if scales { frame.set(option, UInt32(0x0103_0300) | UInt32(windowShift)) }
            var checksum = Checksum(
                pseudoHeaderFrom: flow.peer.address, to: flow.guest.address, protocolNumber: ProtocolNumber.tcp,
                length: length)
            checksum.add(frame.part(place, length))
            frame.setChecksum(place + 16, checksum)
        }
        guard isSent else { return false }
        if isAnswer {
            connection.announced = SequenceNumber.later(connection.announced, connection.expected + window)
            noteAcknowledged(connection)
        }
        connection.next = connection.initialSequence + 1
        noteSent(connection, connection.initialSequence, connection.next, at: now)
        return true
    }

    /// Sends a segment that belongs to no open connection, and may wait for the link.
    func sendBare(
        _ flow: TCPFlow, sequence: SequenceNumber, acknowledgement: SequenceNumber, flags: TCPFlags, window: UInt16 = 0,
        timestamps: (own: UInt32, echo: UInt32)? = nil
    ) {
        let length = TCPHeader.minimumLength + (timestamps == nil ? 0 : 12)
        sendPacket(
            from: flow.peer.address, to: flow.guest.address, protocolNumber: ProtocolNumber.tcp, count: length
        ) { frame, place in
            TCPHeader.write(
                to: frame, at: place, sourcePort: flow.peer.port, destinationPort: flow.guest.port, sequence: sequence,
                acknowledgement: acknowledgement, length: length, flags: flags, window: window)
            if let timestamps {
                frame.set(place + 20, UInt32(0x0101_080A))
                frame.set(place + 24, timestamps.own)
                frame.set(place + 28, timestamps.echo)
            }
            var checksum = Checksum(
                pseudoHeaderFrom: flow.peer.address, to: flow.guest.address, protocolNumber: ProtocolNumber.tcp,
                length: length)
            checksum.add(frame.part(place, length))
            frame.setChecksum(place + 16, checksum)
        }
    }

    /// Answers a segment with a reset (RFC 9293 section 3.10.7.1); never one that is a reset itself.
    func sendReset(to segment: TCPSegment, _ flow: TCPFlow) {
        let header = segment.header
        guard !header.flags.contains(.reset) else { return }
        if header.flags.contains(.acknowledgement) {
            sendBare(flow, sequence: header.acknowledgement, acknowledgement: SequenceNumber(0), flags: .reset)
        } else {
            sendBare(
                flow, sequence: SequenceNumber(0), acknowledgement: header.sequence + segment.length,
                flags: [.reset, .acknowledgement])
        }
    }
}
