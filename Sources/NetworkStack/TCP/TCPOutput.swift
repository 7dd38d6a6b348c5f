import NetworkAddress

extension NetworkStack {
    private enum Outcome { case sent, nothing, linkIsFull }

    /// Sends what may be sent, at most `burst` segments, and sees to the timers. What the link has no room for waits.
    func transmit(_ connection: TCPConnection, burst: Int = .max, at now: Instant) {
        guard isAlive(connection) else { return }
        var count = 0
        var outcome = isLinkFull && hasSomething(connection) ? Outcome.linkIsFull : .sent
        while case .sent = outcome, count < burst {
            outcome = sendNext(connection, at: now)
            if case .sent = outcome { count += 1 }
        }
        if case .nothing = outcome, connection.mustAcknowledge {
            if !sendSegment(connection, connection.bareSequence, 0, .acknowledgement, at: now) {
                outcome = .linkIsFull
            }
        }
        switch outcome {
        case .nothing: break
        case .sent, .linkIsFull:
            stand(connection)
        }
        schedule(connection, at: now)
    }

    /// Puts a connection into the line of those that wait for the link. Those that are gone do not stay in it for ever,
    /// even when the guest never takes a frame.
    private func stand(_ connection: TCPConnection) {
        guard !connection.isWaiting else { return }
        connection.isWaiting = true
        if waitingConnections.count > 2 * connections.count + 1024 {
            waitingConnections.keep { connections[$0]?.isWaiting ?? false }
        }
        waitingConnections.append(connection.id)
    }

    /// Whether there is anything that the link could stop.
    private func hasSomething(_ connection: TCPConnection) -> Bool {
        if connection.mustAcknowledge || connection.mustRetransmit || connection.recovery != nil { return true }
        switch connection.state {
        case .synSent, .synReceived: return connection.next == connection.initialSequence
        default: return connection.sends && (connection.wantsFinish || connection.next < connection.outputEnd)
        }
    }

    /// Sends the next segment that takes sequence numbers.
    private func sendNext(_ connection: TCPConnection, at now: Instant) -> Outcome {
        switch connection.state {
        case .synSent, .synReceived:
            guard connection.next == connection.initialSequence else { return .nothing }
            return sendSynchronize(connection, at: now) ? .sent : .linkIsFull
        default: guard connection.sends else { return .nothing }
        }
        let limit = connection.maximumSegment - optionLength(connection)
        if connection.mustRetransmit || connection.recovery != nil,
            let (start, count, flags) = lostSegment(connection, limit)
        {
            guard sendSegment(connection, start, count, flags, at: now) else { return .linkIsFull }
            connection.mustRetransmit = false
            connection.retransmission = start + count + (flags.contains(.fin) ? 1 : 0)
            connection.next = SequenceNumber.later(connection.next, connection.retransmission)
            return .sent
        }
        while connection.next < connection.highest,
            let selected = connection.selected.range(containing: connection.next)
        {
            connection.next = selected.end
        }
        let unsent = connection.outputEnd - connection.next
        guard unsent > 0 || (unsent == 0 && connection.wantsFinish) else { return .nothing }
        let usable = min(
            connection.window - (connection.next - connection.unacknowledged),
            connection.congestionWindow - connection.underWay)
        let count = max(0, min(unsent, limit, usable))
        if count < unsent {
            // Silly windows are waited out (RFC 9293 section 3.8.6.2.1), with a timer against waiting forever.
            guard count > 0, count == limit || count >= connection.largestWindow / 2 else { return .nothing }
        } else if count < limit, connection.heldUntil != nil, !connection.wantsFinish,
            connection.next > connection.unacknowledged
        {
            return .nothing
        }
        var flags = TCPFlags.acknowledgement
        if count == unsent {
            if count > 0 { flags.insert(.push) }
            if connection.wantsFinish { flags.insert(.fin) }
        }
        guard sendSegment(connection, connection.next, count, flags, at: now) else { return .linkIsFull }
        connection.next += count + (flags.contains(.fin) ? 1 : 0)
        return .sent
    }

    /// What is to be sent again, if something is: the next hole in what the guest has, or the first segment.
    private func lostSegment(_ connection: TCPConnection, _ limit: Int) -> (SequenceNumber, Int, TCPFlags)? {
        var start = connection.unacknowledged
        var count = min(limit, connection.highest - start)
        if connection.recovery != nil, !connection.selected.isEmpty {
            let place = SequenceNumber.later(connection.retransmission, connection.unacknowledged)
            if let gap = connection.selected.gap(from: place) {
                start = gap.start
                count = min(limit, gap.count)
                guard connection.mustRetransmit || connection.underWay + count <= connection.congestionWindow else {
                    return nil
                }
            } else if !connection.mustRetransmit {
                return nil
            }
        } else if !connection.mustRetransmit {
            return nil
        }
        var flags = TCPFlags.acknowledgement
        let left = connection.outputEnd - start
        if connection.hasSentFinish, left <= count { flags.insert(.fin) }
        count = max(0, min(count, left))
        if count > 0, count == left { flags.insert(.push) }
        guard count > 0 || flags.contains(.fin) else {
            connection.mustRetransmit = false
            return nil
        }
        return (start, count, flags)
    }

    /// Bytes of options of the next segment.
    private func optionLength(_ connection: TCPConnection) -> Int {
        var length = connection.usesTimestamps ? 12 : 0
        if connection.usesSelective, !connection.early.isEmpty {
            length += 4 + 8 * min(connection.early.ranges.count, connection.usesTimestamps ? 3 : 4)
        }
        return length
    }

    /// Lays down a segment with `count` bytes of `output` from `start` on; whether the link had room.
    func sendSegment(
        _ connection: TCPConnection, _ start: SequenceNumber, _ count: Int, _ flags: TCPFlags, at now: Instant
    ) -> Bool {
        let options = optionLength(connection)
        let length = TCPHeader.minimumLength + options
        let flow = connection.flow
        let window = announcement(connection)
        let type = flow.peer.address.isV4 ? Ethernet.ipv4 : Ethernet.ipv6
        let size = Ethernet.headerLength + flow.peer.address.headerLength + length + count
        let isSent = layFrame(type: type, length: size) { frame, offset in
            let place = writeHeader(
                to: frame, at: offset, from: flow.peer.address, to: flow.guest.address,
                protocolNumber: ProtocolNumber.tcp, count: length + count)
            TCPHeader.write(
                to: frame, at: place, sourcePort: flow.peer.port, destinationPort: flow.guest.port, sequence: start,
                acknowledgement: connection.expected, length: length, flags: flags,
                window: UInt16(truncatingIfNeeded: min(window >> Int(connection.ownScale), 65535)))
            if options > 0 { writeOptions(connection, to: frame, at: place + TCPHeader.minimumLength, at: now) }
            var checksum = Checksum(
                pseudoHeaderFrom: flow.peer.address, to: flow.guest.address, protocolNumber: ProtocolNumber.tcp,
                length: length + count)
            checksum.add(frame.part(place, length))
            if count > 0 {
                let (first, second) = connection.output.parts(start - connection.outputStart, count)
                let payload = place + length
                checksum.add(sum: frame.copySumming(first, to: payload), isOdd: false)
                if second.count > 0 {
                    checksum.add(
                        sum: frame.copySumming(second, to: payload + first.count), isOdd: first.count & 1 == 1)
                }
            }
            frame.setChecksum(place + 16, checksum)
        }
        guard isSent else { return false }
        let told = (window >> Int(connection.ownScale)) << Int(connection.ownScale)
        connection.announced = SequenceNumber.later(connection.announced, connection.expected + told)
        connection.announcedLittle = told < widestWindow(connection) / 2
        noteAcknowledged(connection)
        let end = start + count + (flags.contains(.fin) ? 1 : 0)
        if end > start { noteSent(connection, start, end, at: now) }
        return true
    }

    /// Everything that came is acknowledged.
    func noteAcknowledged(_ connection: TCPConnection) {
        connection.mustAcknowledge = false
        connection.unacknowledgedInput = 0
        connection.acknowledgementDeadline = nil
        connection.lastAcknowledgement = connection.expected
    }

    /// Numbers were sent, for the first time or again.
    func noteSent(_ connection: TCPConnection, _ start: SequenceNumber, _ end: SequenceNumber, at now: Instant) {
        if start < connection.highest {
            // Whose acknowledgement comes back is not known (Karn's algorithm).
            connection.timed = nil
        } else if connection.timed == nil {
            connection.timed = (end, now)
        }
        if connection.unacknowledged == connection.highest { connection.progress = now }
        connection.highest = SequenceNumber.later(connection.highest, end)
        if connection.retransmissionDeadline == nil {
            connection.retransmissionDeadline = now.advanced(by: timeout(of: connection))
        }
    }

    /// How wide a window is to be announced: as wide as there is room, never narrower than before, and wider only when
    /// that is worth a large segment (RFC 9293 section 3.8.6.2.2).
    func announcement(_ connection: TCPConnection) -> Int {
        let known = max(0, connection.announced - connection.expected)
        let possible = possibleWindow(connection)
        let step = min(widestWindow(connection) / 4, largestSegment(connection.flow))
        return possible - known >= step ? possible : known
    }

    /// As much as may still come, by the connection's bound and what memory is left for all.
    func possibleWindow(_ connection: TCPConnection) -> Int {
        guard !connection.hasFinished else { return 65535 }
        let own = limits.receiveBuffer - connection.input.count
        return max(0, min(own, max(connection.input.free, pool.remaining / 8), widestWindow(connection)))
    }

    /// As wide as windows ever get.
    func widestWindow(_ connection: TCPConnection) -> Int {
        min(limits.receiveBuffer, 65535 << Int(connection.ownScale))
    }
}
