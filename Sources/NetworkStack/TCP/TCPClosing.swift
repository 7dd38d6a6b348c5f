import NetworkAddress

extension NetworkStack {
    /// A connection is over on the wire. It is told at once, or when what came before has been read.
    func close(_ connection: TCPConnection, _ reason: CloseReason, at now: Instant) {
        if case .requested = connection.state { requestCount -= 1 }
        connections.removeFlow(of: connection)
        connection.state = .drained(reason)
        connection.output.release(to: pool)
        connection.early.removeAll()
        connection.selected.removeAll()
        connection.retransmissionDeadline = nil
        connection.acknowledgementDeadline = nil
        connection.probeDeadline = nil
        connection.heldUntil = nil
        connection.keepAlive = nil
        guard connection.input.count > 0 else { return forget(connection, telling: reason) }
        if reason != .closed {
            connection.drainDeadline = now.advanced(by: limits.unreadAfterReset)
            schedule(connection, at: now)
        }
    }

    /// The stack has closed first, or both at once: what the guest may send again is answered for a while (TIME-WAIT).
    func rememberAndClose(_ connection: TCPConnection, at now: Instant) {
        closedConnections.insert(
            connection.flow, sequence: connection.highest, acknowledgement: connection.expected,
            timestamps: connection.usesTimestamps ? (connection.recentTimestamp, connection.timestampOffset) : nil,
            until: now.advanced(by: limits.timeWait))
        // The acknowledgement of the guest's FIN may still have to go.
        if connection.mustAcknowledge {
            sendBare(
                connection.flow, sequence: connection.highest, acknowledgement: connection.expected,
                flags: .acknowledgement, window: .max,
                timestamps: connection.usesTimestamps
                    ? (now.milliseconds &+ connection.timestampOffset, connection.recentTimestamp) : nil)
            connection.mustAcknowledge = false
        }
        close(connection, .closed, at: now)
    }

    /// The id is unknown from now on.
    func forget(_ connection: TCPConnection, telling reason: CloseReason?) {
        if case .requested = connection.state { requestCount -= 1 }
        connection.input.release(to: pool)
        connection.output.release(to: pool)
        timers.set(nil, of: connection.id.index)
        connections.remove(connection)
        if let reason { events.append(.closed(connection.id, reason)) }
    }
}
