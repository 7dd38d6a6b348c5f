extension NetworkStack {
    /// Takes what a segment acknowledges, selects, and says of the guest's window. Whether the rest of the segment counts.
    func receiveAcknowledgement(_ segment: TCPSegment, _ connection: TCPConnection, at now: Instant) -> Bool {
        let header = segment.header
        let acknowledgement = header.acknowledgement
        // Of what was never sent, or long ago (RFC 5961 section 5).
        guard acknowledgement <= connection.highest,
            acknowledgement >= connection.unacknowledged + -max(connection.largestWindow, 65535)
        else {
            acknowledgeNow(connection, at: now)
            return false
        }
        let window = Int(header.window) << Int(connection.guestScale)
        let isRepeated =
            acknowledgement == connection.unacknowledged && segment.length == 0 && window == connection.window
            && connection.highest > connection.unacknowledged
        let selects = takeSelections(of: header.options, connection)
        if connection.windowSequence < header.sequence
            || (connection.windowSequence == header.sequence && connection.windowAcknowledgement <= acknowledgement)
        {
            if connection.window == 0, window > 0 { connection.backoff = 0 }
            connection.window = window
            connection.largestWindow = max(connection.largestWindow, window)
            connection.windowSequence = header.sequence
            connection.windowAcknowledgement = acknowledgement
        }
        if acknowledgement > connection.unacknowledged {
            advance(connection, to: acknowledgement, at: now)
            return isAlive(connection)
        }
        if isRepeated || selects { noteDuplicate(connection, isRepeated: isRepeated) }
        return true
    }

    /// More was acknowledged.
    private func advance(_ connection: TCPConnection, to acknowledgement: SequenceNumber, at now: Instant) {
        let isFinishAcknowledged = connection.hasSentFinish && acknowledgement > connection.outputEnd
        let count = acknowledgement - connection.unacknowledged
        let bytes = max(0, min(acknowledgement - connection.outputStart, connection.output.count))
        connection.output.consume(bytes)
        connection.outputStart += bytes
        connection.unacknowledged = acknowledgement
        connection.next = SequenceNumber.later(connection.next, acknowledgement)
        connection.selected.removeAll(before: acknowledgement)
        connection.backoff = 0
        connection.progress = now
        if let timed = connection.timed, timed.end <= acknowledgement {
            measure(connection, from: timed.sent, at: now)
            connection.timed = nil
        }
        control(connection, acknowledged: count)
        connection.retransmissionDeadline =
            acknowledgement == connection.highest ? nil : now.advanced(by: timeout(of: connection))
        if connection.output.count == 0 { connection.output.release(to: pool) }
        if connection.wantsWritable {
            let room = writableRoom(connection)
            if room >= limits.sendBuffer / 4 || (room > 0 && connection.output.count == 0) {
                connection.wantsWritable = false
                events.append(.writable(connection.id))
            } else if connection.output.count == 0 {
                wait(connection)
            }
        }
        guard isFinishAcknowledged else { return }
        switch connection.state {
        case .finWait1: connection.state = .finWait2
        case .closing: rememberAndClose(connection, at: now)
        case .lastAck: close(connection, .closed, at: now)
        default: break
        }
    }

    /// Takes what the guest has received out of order (RFC 2018); whether some of it is news.
    private func takeSelections(of options: TCPOptions, _ connection: TCPConnection) -> Bool {
        guard options.blockCount > 0, connection.usesSelective else { return false }
        let before = connection.selected.byteCount
        for index in 0..<options.blockCount {
            guard let block = options.block(index), block.count > 0, block.start >= connection.unacknowledged,
                block.end <= connection.highest
            else { continue }
            _ = connection.selected.insert(block)
        }
        return connection.selected.byteCount > before
    }

    /// A segment was lost, perhaps: the guest repeats itself (RFC 5681 section 3.2, RFC 6675 section 5). With few
    /// segments under way, fewer repetitions are waited for (RFC 5827).
    private func noteDuplicate(_ connection: TCPConnection, isRepeated: Bool) {
        connection.duplicates += 1
        let size = max(1, connection.segmentLimit)
        if connection.recovery != nil {
            // One more has arrived, so one more may go.
            if connection.selected.isEmpty, isRepeated { connection.congestionWindow += size }
            return
        }
        let flight = connection.highest - connection.unacknowledged
        let patience = min(3, max(1, (flight + size - 1) / size - 1))
        guard connection.duplicates >= patience else { return }
        connection.slowStartThreshold = max(flight / 2, 2 * size)
        connection.congestionWindow =
            connection.slowStartThreshold + (connection.selected.isEmpty ? patience * size : 0)
        connection.recovery = connection.highest
        connection.retransmission = connection.unacknowledged
        connection.mustRetransmit = true
    }

    /// Lets the congestion window follow what was acknowledged.
    private func control(_ connection: TCPConnection, acknowledged count: Int) {
        let size = max(1, connection.segmentLimit)
        if let end = connection.recovery {
            if connection.unacknowledged >= end {
                connection.recovery = nil
                connection.congestionWindow = max(connection.slowStartThreshold, 2 * size)
                connection.duplicates = 0
            } else if connection.selected.isEmpty {
                // The next hole (RFC 6582 section 3.2 step 3).
                connection.congestionWindow = max(connection.congestionWindow - count, 0) + size
                connection.retransmission = connection.unacknowledged
                connection.mustRetransmit = true
            }
            return
        }
        connection.duplicates = 0
        if connection.congestionWindow < connection.slowStartThreshold {
            connection.congestionWindow += count
        } else {
            connection.congestionWindow += max(1, size * min(count, size) / max(1, connection.congestionWindow))
        }
        connection.congestionWindow = min(connection.congestionWindow, max(limits.sendBuffer, 10 * size) * 2)
    }

    /// Takes a round trip into account (RFC 6298 section 2).
    func measure(_ connection: TCPConnection, from sent: Instant, at now: Instant) {
        let sample = min(now.nanoseconds(since: sent), .seconds(60))
        if let smoothed = connection.smoothedRoundTrip {
            let difference = max(smoothed, sample) - min(smoothed, sample)
            connection.roundTripVariation = (3 * connection.roundTripVariation + difference) / 4
            connection.smoothedRoundTrip = (7 * smoothed + sample) / 8
        } else {
            connection.smoothedRoundTrip = sample
            connection.roundTripVariation = sample / 2
        }
        let timeout = (connection.smoothedRoundTrip ?? 0) + max(4 * connection.roundTripVariation, .milliseconds(1))
        connection.retransmissionTimeout = min(max(timeout, .milliseconds(200)), .seconds(60))
    }

    /// How long an acknowledgement is waited for, with what was waited for in vain.
    func timeout(of connection: TCPConnection) -> UInt64 {
        min(connection.retransmissionTimeout << UInt64(min(connection.backoff, 16)), .seconds(60))
    }
}
