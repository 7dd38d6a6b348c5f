import NetworkAddress

extension NetworkStack {
    /// Lets a requested connection come about: `established` follows, or `closed`.
    public func accept(_ id: ConnectionID, at now: Instant) {
        guard let connection = connections[id], case .requested = connection.state else { return }
        requestCount -= 1
        connection.state = .synReceived
        connection.progress = now
        transmit(connection, at: now)
    }

    /// Says no to a requested connection. Its id is unknown from now on.
    public func refuse(_ id: ConnectionID, _ reason: Refusal, at now: Instant) {
        guard let connection = connections[id], case .requested = connection.state else { return }
        let flow = connection.flow
        switch reason {
        case .silent: break
        case .reset:
            sendBare(
                flow, sequence: SequenceNumber(0), acknowledgement: connection.expected,
                flags: [.reset, .acknowledgement])
        default:
            guard let error = ICMPError(reason) else { break }
            var start = [UInt8](repeating: 0, count: TCPHeader.minimumLength)
            start.withUnsafeMutableBytes {
                TCPHeader.write(
                    to: FrameBytes($0), at: 0, sourcePort: flow.guest.port, destinationPort: flow.peer.port,
                    sequence: connection.guestInitialSequence, acknowledgement: SequenceNumber(0),
                    length: TCPHeader.minimumLength, flags: .syn, window: 0)
            }
            sendError(
                error, quoting: start, from: flow.guest.address, to: flow.peer.address,
                protocolNumber: ProtocolNumber.tcp, hopLimit: IPv4Header.hopLimit)
        }
        forget(connection, telling: nil)
    }

    /// Begins a connection to the guest: `established` follows, or `closed`. `to` is an address of the guest, or a
    /// loopback address of its. `nil` at the bound of connections, when the two are connected already, or when one of them
    /// is no endpoint that can be.
    public func connect(from: Endpoint, to: Endpoint, at now: Instant) -> ConnectionID? {
        let flow = TCPFlow(guest: to, peer: from)
        guard from.address.isV4 == to.address.isV4, from.port != 0, to.port != 0,
            configuration.guestAddresses.contains(to.address) || to.address.isLoopback,
            connections.count < limits.connections, connections[flow] == nil
        else { return nil }
        closedConnections.remove(flow)
        let connection = makeConnection(flow, .synSent, at: now)
        connection.maximumSegment = min(536, largestSegment(flow))
        transmit(connection, at: now)
        return connection.id
    }

    /// The two ends of a connection; `nil` when the id is unknown.
    public func endpoints(_ id: ConnectionID) -> (guest: Endpoint, peer: Endpoint)? {
        connections[id].map { ($0.flow.guest, $0.flow.peer) }
    }

    /// Bytes that can be read.
    public func readableCount(_ id: ConnectionID) -> Int { connections[id]?.input.count ?? 0 }

    /// Bytes that can be written. When there is hardly room it is none, and `writable` follows once there is.
    public func writableCount(_ id: ConnectionID) -> Int {
        guard let connection = connections[id] else { return 0 }
        let room = writableRoom(connection)
        guard room > 0, room >= limits.sendBuffer / 8 || connection.output.count == 0 else {
            if canWrite(connection) { wait(connection) }
            return 0
        }
        return room
    }

    /// The room for more, by the connection's bound and what memory is left for all.
    func writableRoom(_ connection: TCPConnection) -> Int {
        guard canWrite(connection) else { return 0 }
        let output = connection.output
        let growth = pool.canTake(output.capacity == 0 ? BufferPool.smallest : output.capacity * 2) ? pool.remaining : 0
        return max(0, min(limits.sendBuffer - output.count, output.free + growth))
    }

    /// Has `writable` told when there is room again: by acknowledgements of the guest, or, where the memory of all is used
    /// up, by what others give back.
    func wait(_ connection: TCPConnection) {
        connection.wantsWritable = true
        guard connection.output.count < limits.sendBuffer / 2, !connection.isStarved else { return }
        connection.isStarved = true
        if starved.count > 2 * connections.count + 1024 { starved.removeAll { connections[$0] == nil } }
        starved.append(connection.id)
    }

    private func canWrite(_ connection: TCPConnection) -> Bool {
        guard !connection.wantsFinish else { return false }
        switch connection.state {
        case .synReceived, .synSent, .established, .closeWait: return true
        default: return false
        }
    }

    /// Shows `body` bytes that came, as many as lie together, which says how many of them it took; that is also what comes
    /// back. Call again when it took all and more are wanted. With nothing to read, `body` is not called; it must not call
    /// the stack itself.
    public func read(
        _ id: ConnectionID, at now: Instant, _ body: (UnsafeRawBufferPointer) throws -> Int
    ) rethrows -> Int {
        guard let connection = connections[id], connection.input.count > 0 else { return 0 }
        let front = connection.input.front
        let count = max(0, min(try body(front), front.count))
        connection.toldReadable = false
        connection.input.consume(count)
        if connection.input.count == 0 {
            if case .drained(let reason) = connection.state {
                forget(connection, telling: reason)
                return count
            }
            if connection.early.isEmpty { connection.input.release(to: pool) }
        }
        if count > 0, isAlive(connection), isAcknowledgementWorthwhile(connection) {
            connection.mustAcknowledge = true
            transmit(connection, at: now)
        }
        return count
    }

    /// Whether the guest should hear of what was read: much came, or the little that it may still send has become much.
    private func isAcknowledgementWorthwhile(_ connection: TCPConnection) -> Bool {
        guard connection.receives else { return false }
        let known = connection.announced - connection.expected
        let quarter = widestWindow(connection) / 4
        let much =
            known < min(2 * largestSegment(connection.flow), quarter) ? min(16384, quarter) : min(1 << 18, quarter)
        if connection.unacknowledgedInput >= much { return true }
        return connection.announcedLittle && possibleWindow(connection) - max(0, known) >= quarter
    }

    /// Gives `body` memory for bytes to the guest, which says how many it filled in; that is also what comes back, and is
    /// sent at once. One that filled all is expected to be called again, so that the last bytes may wait for their
    /// successors for two milliseconds. Without room `body` is not called, and `writable` follows once there is.
    @discardableResult
    public func write(
        _ id: ConnectionID, at now: Instant, _ body: (UnsafeMutableRawBufferPointer) throws -> Int
    ) rethrows -> Int {
        guard let connection = connections[id], writableCount(id) > 0 else { return 0 }
        guard prepareOutput(connection) else {
            wait(connection)
            return 0
        }
        let room = connection.output.room
        let space = UnsafeMutableRawBufferPointer(
            rebasing: room[..<min(room.count, limits.sendBuffer - connection.output.count)])
        let count: Int
        do {
            count = max(0, min(try body(space), space.count))
        } catch {
            if connection.output.count == 0 { connection.output.release(to: pool) }
            throw error
        }
        connection.output.extend(count)
        if connection.output.count == 0 { connection.output.release(to: pool) }
        connection.heldUntil =
            count == space.count && count > 0 ? now.advanced(by: limits.acknowledgementDelay) : nil
        if writableRoom(connection) < limits.sendBuffer / 8 {
            connection.wantsWritable = true
            // Nobody will write before something is acknowledged.
            connection.heldUntil = nil
        }
        transmit(connection, at: now)
        return count
    }

    /// Sees to it that there is room to write to: what is full grows, and more so the more is written.
    private func prepareOutput(_ connection: TCPConnection) -> Bool {
        guard connection.output.free == 0 else { return true }
        let capacity = connection.output.capacity
        let bound = max(limits.sendBuffer, BufferPool.smallest)
        let wanted = capacity == 0 ? 16 * BufferPool.smallest : capacity * 4
        func grow(_ size: Int) -> Bool {
            connection.output.grow(to: min(size, bound), pool: pool) && connection.output.free > 0
        }
        return grow(wanted) || grow(capacity + 1)
    }

    /// Writes bytes; how many there was room for. The rest is to be written after `writable`.
    @discardableResult
    public func write(_ id: ConnectionID, _ bytes: some Collection<UInt8>, at now: Instant) -> Int {
        var rest = bytes[...]
        if let connection = connections[id], writableCount(id) > 0 {
            _ = connection.output.grow(
                to: min(connection.output.count + bytes.count, max(limits.sendBuffer, BufferPool.smallest)), pool: pool)
        }
        while !rest.isEmpty {
            let count = write(id, at: now) { room in
                let part = rest.prefix(room.count)
                room.copyBytes(from: part)
                return part.count
            }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        if let connection = connections[id], connection.heldUntil != nil {
            connection.heldUntil = nil
            transmit(connection, at: now)
        }
        return bytes.count - rest.count
    }

    /// Sends the last byte after what was written. Reading goes on.
    public func finish(_ id: ConnectionID, at now: Instant) {
        guard let connection = connections[id], !connection.wantsFinish else { return }
        switch connection.state {
        case .synReceived, .synSent: connection.wantsFinish = true
        case .established:
            connection.wantsFinish = true
            connection.state = .finWait1
        case .closeWait:
            connection.wantsFinish = true
            connection.state = .lastAck
        default: return
        }
        connection.heldUntil = nil
        transmit(connection, at: now)
    }

    /// Resets a connection, whatever is under way. Its id is unknown from now on.
    public func abort(_ id: ConnectionID, at now: Instant) {
        guard let connection = connections[id] else { return }
        switch connection.state {
        case .requested: return refuse(id, .reset, at: now)
        case .drained: break
        case .synSent:
            // The guest may have answered by now.
            sendBare(
                connection.flow, sequence: connection.initialSequence + 1, acknowledgement: SequenceNumber(0),
                flags: .reset)
        default:
            sendBare(
                connection.flow, sequence: connection.highest, acknowledgement: connection.expected,
                flags: [.reset, .acknowledgement])
        }
        forget(connection, telling: nil)
    }

    /// Asks a guest that was silent for `idle` nanoseconds whether it is still there, `count` times every `interval`,
    /// before the connection is given up as `timedOut`; `nil` for never. At least a millisecond each.
    public func setKeepAlive(_ id: ConnectionID, idle: UInt64?, interval: UInt64, count: Int, at now: Instant) {
        guard let connection = connections[id], isAlive(connection) else { return }
        connection.keepAlive = idle.map {
            TCPConnection.KeepAlive(
                idle: max($0, .milliseconds(1)), interval: min(max(interval, .milliseconds(1)), .seconds(86400)),
                count: min(max(count, 0), 1000))
        }
        schedule(connection, at: now)
    }
}
