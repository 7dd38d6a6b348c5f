import NetworkAddress

extension NetworkStack {
    /// The guest asks for a connection: the gateway is told, and decides.
    func request(_ header: TCPHeader, _ flow: TCPFlow, at now: Instant) {
        let connection = makeConnection(flow, .requested, at: now)
        requestCount += 1
        takeOptions(of: header, connection, at: now)
        events.append(.requested(connection.id, from: flow.guest, to: flow.peer))
    }

    /// A connection in the table, with an initial sequence number of RFC 6528.
    func makeConnection(_ flow: TCPFlow, _ state: TCPConnection.State, at now: Instant) -> TCPConnection {
        var words: [UInt64] = [UInt64(flow.guest.port) << 16 | UInt64(flow.peer.port)]
        for address in [flow.guest.address, flow.peer.address] {
            switch address {
            case .v4(let address): words.append(UInt64(address.value))
            case .v6(let address): words += [address.high, address.low]
            }
        }
        let hash = secret.hash(words)
        let clock = UInt32(truncatingIfNeeded: now.nanoseconds / 4000)
        let connection = TCPConnection(
            id: connections.makeID(), flow: flow, state: state,
            initialSequence: SequenceNumber(clock &+ UInt32(truncatingIfNeeded: hash)),
            timestampOffset: UInt32(truncatingIfNeeded: hash >> 32), at: now)
        connections.insert(connection)
        return connection
    }

    /// The most bytes of a segment, without options, that the stack takes and sends.
    func largestSegment(_ flow: TCPFlow) -> Int {
        mtu - flow.peer.address.headerLength - TCPHeader.minimumLength
    }

    /// By how much our windows are shifted (RFC 7323 section 2).
    var windowShift: UInt8 {
        var shift: UInt8 = 0
        while shift < 14, limits.receiveBuffer >> Int(shift) > 65535 { shift += 1 }
        return shift
    }

    /// Notes what a SYN says.
    private func takeOptions(of header: TCPHeader, _ connection: TCPConnection, at now: Instant) {
        let options = header.options
        connection.guestInitialSequence = header.sequence
        connection.expected = header.sequence + 1
        connection.announced = connection.expected
        connection.lastAcknowledgement = connection.expected
        let usual = connection.flow.peer.address.isV4 ? 536 : 1220
        let wanted = options.maximumSegment.map(Int.init) ?? usual
        // Segments of a few bytes would be much work for little.
        connection.maximumSegment = min(max(wanted, 64), largestSegment(connection.flow))
        connection.usesSelective = options.allowsSelective
        connection.usesTimestamps = options.timestamp != nil
        connection.recentTimestamp = options.timestamp?.value ?? 0
        connection.recentTimestampAge = now
        if let scale = options.windowScale {
            connection.guestScale = scale
            connection.ownScale = windowShift
        }
        // Windows of SYN are never scaled.
        connection.window = Int(header.window)
        connection.largestWindow = connection.window
        connection.windowSequence = header.sequence
        connection.congestionWindow = max(10 * connection.maximumSegment, 1 << 20)
    }

    /// A segment to a request that waits for the gateway: the same SYN changes nothing, another one is another request.
    func receiveWhileRequested(
        _ segment: TCPSegment, _ connection: TCPConnection, _ packet: IPPacket, at now: Instant
    ) {
        let header = segment.header
        if header.flags.contains(.reset) {
            let isOwn =
                header.sequence == connection.guestInitialSequence || header.sequence == connection.expected
            if isOwn { closedByReset(connection, at: now) }
        } else if header.flags.contains(.syn), !header.flags.contains(.acknowledgement) {
            guard header.sequence != connection.guestInitialSequence else { return }
            closedByReset(connection, at: now)
            receiveUnknown(segment, connection.flow, packet, at: now)
        } else {
            sendReset(to: segment, connection.flow)
        }
    }

    /// A segment to a connection of ours whose SYN was sent (RFC 9293 section 3.10.7.3).
    func receiveWhileConnecting(_ segment: TCPSegment, _ connection: TCPConnection, at now: Instant) {
        let header = segment.header
        let acknowledges = header.flags.contains(.acknowledgement)
        if acknowledges,
            header.acknowledgement != connection.initialSequence + 1 || connection.highest == connection.initialSequence
        {
            return sendReset(to: segment, connection.flow)
        }
        if header.flags.contains(.reset) {
            if acknowledges { close(connection, .refused, at: now) }
            return
        }
        guard header.flags.contains(.syn) else { return }
        takeOptions(of: header, connection, at: now)
        connection.heard = now
        if acknowledges {
            connection.windowAcknowledgement = header.acknowledgement
            connection.unacknowledged = header.acknowledgement
            if let timed = connection.timed { measure(connection, from: timed.sent, at: now) }
            connection.timed = nil
            establish(connection, header, at: now)
            acknowledgeNow(connection, at: now)
        } else {
            // Both have begun at once: our SYN goes again, with an acknowledgement.
            connection.state = .synReceived
            connection.next = connection.initialSequence
            transmit(connection, at: now)
        }
    }

    /// The handshake is done.
    func establish(_ connection: TCPConnection, _ header: TCPHeader, at now: Instant) {
        connection.state = connection.wantsFinish ? .finWait1 : .established
        connection.next = SequenceNumber.later(connection.next, connection.initialSequence + 1)
        connection.highest = SequenceNumber.later(connection.highest, connection.next)
        connection.retransmission = connection.next
        connection.backoff = 0
        connection.retransmissionDeadline = nil
        connection.progress = now
        if !header.flags.contains(.syn) { connection.window = Int(header.window) << Int(connection.guestScale) }
        connection.largestWindow = max(connection.largestWindow, connection.window)
        connection.windowSequence = header.sequence
        connection.windowAcknowledgement = header.acknowledgement
        events.append(.established(connection.id))
    }

    /// The guest has given a connection up.
    func closedByReset(_ connection: TCPConnection, at now: Instant) { close(connection, .reset, at: now) }
}
