extension NetworkStack {
    /// Has the timer queue look at a connection when the first thing of its is due. An earlier look than needed is left:
    /// it finds nothing due, and costs less than to move it with each segment.
    func schedule(_ connection: TCPConnection, at now: Instant) {
        updateProbe(connection, at: now)
        var first = connection.retransmissionDeadline
        func consider(_ deadline: Instant?) {
            if let deadline, first.map({ deadline < $0 }) ?? true { first = deadline }
        }
        consider(connection.acknowledgementDeadline)
        consider(connection.probeDeadline)
        consider(connection.heldUntil)
        consider(connection.drainDeadline)
        if connection.keepAlive != nil { consider(keepAliveDeadline(connection)) }
        guard let first, connection.scheduled.map({ first < $0 }) ?? true else { return }
        connection.scheduled = first
        timers.set(first, of: connection.id.index)
    }

    /// Does what is due for a connection.
    func runTimers(of connection: TCPConnection, at now: Instant) {
        timers.set(nil, of: connection.id.index)
        connection.scheduled = nil
        if case .drained(let reason) = connection.state {
            if let deadline = connection.drainDeadline, deadline <= now {
                forget(connection, telling: reason)
            } else {
                schedule(connection, at: now)
            }
            return
        }
        if let deadline = connection.acknowledgementDeadline, deadline <= now {
            connection.acknowledgementDeadline = nil
            connection.mustAcknowledge = true
        }
        if let deadline = connection.heldUntil, deadline <= now { connection.heldUntil = nil }
        if let deadline = connection.retransmissionDeadline, deadline <= now { retransmit(connection, at: now) }
        if let deadline = connection.probeDeadline, deadline <= now { probe(connection, at: now) }
        if isAlive(connection), let deadline = keepAliveDeadline(connection), deadline <= now {
            keepAlive(connection, at: now)
        }
        transmit(connection, at: now)
    }

    /// Nothing was acknowledged in time: everything is sent again, slowly (RFC 6298 section 5, RFC 5681 section 3.1).
    private func retransmit(_ connection: TCPConnection, at now: Instant) {
        connection.retransmissionDeadline = nil
        guard connection.highest > connection.unacknowledged else { return }
        // Nothing was lost that has not been sent.
        guard !isLinkFull else {
            connection.retransmissionDeadline = now.advanced(by: timeout(of: connection))
            return
        }
        switch connection.state {
        case .synSent, .synReceived:
            guard now.nanoseconds(since: connection.progress) < limits.handshake else {
                return close(connection, .timedOut, at: now)
            }
            connection.next = connection.initialSequence
        default:
            // A guest that answers with a closed window is alive.
            let answered = connection.window == 0 ? max(connection.progress, connection.heard) : connection.progress
            // After a time in which nobody drove the stack, some are sent first.
            guard connection.backoff < 3 || now.nanoseconds(since: answered) < limits.retransmission else {
                return close(connection, .timedOut, at: now)
            }
            let size = max(1, connection.segmentLimit)
            if connection.backoff == 0 {
                connection.slowStartThreshold = max(connection.underWay / 2, 2 * size)
            }
            connection.congestionWindow = size
            connection.next = connection.unacknowledged
            connection.selected.removeAll()
            connection.recovery = nil
            connection.duplicates = 0
            connection.mustRetransmit = true
        }
        connection.timed = nil
        connection.backoff += 1
        connection.retransmissionDeadline = now.advanced(by: timeout(of: connection))
    }

    /// Whether data waits for the guest's window and nothing else would make the guest speak.
    private func updateProbe(_ connection: TCPConnection, at now: Instant) {
        let isStuck =
            connection.sends && connection.highest == connection.unacknowledged
            && connection.next < connection.outputEnd && !connection.isWaiting && connection.heldUntil == nil
        if !isStuck {
            connection.probeDeadline = nil
        } else if connection.probeDeadline == nil {
            connection.probeDeadline = now.advanced(by: timeout(of: connection))
        }
    }

    /// Asks for the guest's window (RFC 9293 section 3.8.6.1), or sends the little that it allows.
    private func probe(_ connection: TCPConnection, at now: Instant) {
        connection.probeDeadline = nil
        guard !isLinkFull else { return }
        let unheard = now.nanoseconds(since: max(connection.heard, connection.progress))
        guard connection.backoff < 3 || unheard < limits.retransmission else {
            return close(connection, .timedOut, at: now)
        }
        connection.backoff += 1
        let count = min(connection.window, connection.outputEnd - connection.next, connection.segmentLimit)
        if count > 0, connection.sends {
            if sendSegment(connection, connection.next, count, [.acknowledgement, .push], at: now) {
                connection.next += count
            }
        } else {
            // A number that the guest has already makes it answer.
            _ = sendSegment(connection, connection.unacknowledged + -1, 0, .acknowledgement, at: now)
        }
    }

    /// When an idle guest is asked whether it is still there; not while something is under way, which asks as well.
    private func keepAliveDeadline(_ connection: TCPConnection) -> Instant? {
        guard let keepAlive = connection.keepAlive, connection.highest == connection.unacknowledged else { return nil }
        switch connection.state {
        case .established, .closeWait, .finWait2: break
        default: return nil
        }
        let waits = keepAlive.idle.addingReportingOverflow(
            keepAlive.interval.multipliedReportingOverflow(by: UInt64(keepAlive.sent)).partialValue)
        return max(
            connection.heard.advanced(by: waits.overflow ? .max : waits.partialValue), keepAlive.notBefore)
    }

    private func keepAlive(_ connection: TCPConnection, at now: Instant) {
        guard var keepAlive = connection.keepAlive else { return }
        guard !isLinkFull else {
            connection.keepAlive?.notBefore = now.advanced(by: keepAlive.interval)
            return
        }
        guard keepAlive.sent < keepAlive.count else {
            sendBare(
                connection.flow, sequence: connection.bareSequence, acknowledgement: connection.expected,
                flags: [.reset, .acknowledgement])
            return close(connection, .timedOut, at: now)
        }
        keepAlive.sent += 1
        connection.keepAlive = keepAlive
        _ = sendSegment(connection, connection.unacknowledged + -1, 0, .acknowledgement, at: now)
    }
}
