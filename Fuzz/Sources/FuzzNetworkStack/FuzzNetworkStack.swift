import NetworkAddress
import NetworkStack

/// Drives a whole stack with what a hostile guest sends and a gateway does, in any order. The bytes are steps: a kind, and
/// what it needs. Everything the stack sends must be well made, what it keeps bounded, and time must go on.
@c(LLVMFuzzerTestOneInput)
public func fuzzNetworkStack(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let run = Run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    while run.step() {}
    run.end()
    return 0
}

private final class Run {
    private var input: ArraySlice<UInt8>
    private let log = FrameLog()
    private let stack: NetworkStack
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var ids: [ConnectionID] = []
    private var datagrams: [Datagram] = []
    private var echoes: [EchoRequest] = []
    /// The last segment that each port of the guest got.
    private var last: [UInt16: SentSegment] = [:]
    private let limits: StackLimits

    init(_ bytes: [UInt8]) {
        input = bytes[...]
        var configuration = StackConfiguration(
            gatewayMAC: GuestFrames.gatewayMAC, guestMAC: GuestFrames.guestMAC, guestAddresses: Self.guests,
            gatewayAddresses: Self.gateways, seed: (1, 2))
        configuration.mtu = 1500
        configuration.localRanges = Self.gateways.compactMap { AddressRange($0, length: 24) }
        configuration.advertisesRouter = true
        var limits = StackLimits()
        limits.connections = 6
        limits.requests = 3
        limits.closedConnections = 3
        limits.receiveBuffer = 20_000
        limits.sendBuffer = 20_000
        limits.totalBuffers = 150_000
        limits.fragmentedDatagrams = 3
        limits.fragmentBytes = 70_000
        limits.waitingFrameBytes = 10_000
        limits.waitingDatagramBytes = 10_000
        limits.waitingRefusals = 8
        self.limits = limits
        configuration.limits = limits
        stack = NetworkStack(configuration, output: log)
    }

    private static let guests = ["10.0.2.15", "fd00::15"].compactMap { IPAddress($0) }
    private static let gateways = ["10.0.2.2", "fd00::2"].compactMap { IPAddress($0) }
    private static let peers = ["198.51.100.7", "2001:db8::7"].compactMap { IPAddress($0) }

    private func byte() -> UInt8 { input.popFirst() ?? 0 }
    private func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }
    private func bytes(_ count: Int) -> [UInt8] {
        defer { input = input.dropFirst(count) }
        return Array(input.prefix(count))
    }

    func step() -> Bool {
        guard !input.isEmpty else { return false }
        let kind = byte()
        switch kind % 24 {
        case 0: receive(bytes(Int(byte())))
        case 1: receive(GuestFrames.ethernet(bytes(Int(byte())), type: [0x0800, 0x0806, 0x86DD][Int(kind / 24) % 3]))
        case 2: packet()
        case 3: fragment()
        case 4...10: segment()
        case 11: handshake()
        case 12: onConnection { stack.accept($0, at: now) }
        case 13: onConnection { stack.finish($0, at: now) }
        case 14:
            onConnection { stack.abort($0, at: now) }
            forgetLast()
        case 15: refuse()
        case 16: readSome()
        case 17, 18: writeSome()
        case 19: connect()
        case 20: now = now.advanced(by: UInt64(word()) * 1_000_000)
        case 21: if let deadline = stack.deadline { now = max(now, deadline) }
        case 22: log.capacity = byte() % 3 == 0 ? Int(byte()) * 16 : .max
        default: datagram()
        }
        settle()
        return true
    }

    /// Lets the stack go on, and looks at what it did.
    private func settle() {
        stack.advance(to: now)
        if let deadline = stack.deadline { precondition(deadline > now, "time stands still") }
        let wasFull = log.wasFull
        for frame in log.take() {
            precondition(frame.count <= 1514, "a frame is longer than the MTU")
            if frame[12] == 8, frame[13] == 6 { continue }
            guard let packet = SentPacket(frame) else { preconditionFailure("a frame is not well made") }
            if let segment = packet.segment { last[segment.to.port] = segment }
        }
        if wasFull { stack.outputReady(at: now) }
        while let event = stack.nextEvent() {
            switch event {
            case .requested(let id, _, _): ids.append(id)
            case .closed(let id, _): ids.removeAll { $0 == id }
            case .datagram(let datagram): datagrams = [datagram]
            case .echo(let request): echoes = [request]
            case .packet: preconditionFailure("nothing is forwarded")
            default: break
            }
        }
        precondition(stack.connectionCount <= limits.connections, "too many connections")
        precondition(stack.bufferBytes <= limits.totalBuffers && stack.bufferBytes >= 0, "too much memory")
    }

    private func receive(_ frame: [UInt8]) { frame.withUnsafeBytes { stack.receive($0, at: now) } }

    private func packet() {
        let choice = byte()
        let version = Int(choice & 1)
        let target = [Self.peers, Self.gateways, Self.guests][Int(choice >> 1) % 3][version]
        let number = [UInt8(1), 6, 17, 58, 0, 43, 44, 60, byte()][Int(choice >> 4) % 9]
        var payload = bytes(Int(byte()))
        if number == 1 || number == 58, payload.count >= 8 {
            payload = GuestFrames.icmp(
                from: Self.guests[version], to: target, type: payload[0], code: payload[1], Array(payload[4...]))
        }
        receive(
            GuestFrames.packet(
                from: Self.guests[version], to: target, protocolNumber: number, payload,
                hopLimit: choice & 8 == 0 ? 255 : 64))
    }

    private func fragment() {
        let choice = byte()
        let offset = Int(word() & 0x1FFF) * 8
        let more = choice & 1 == 1
        let identification = UInt16(choice >> 5)
        let payload = bytes(Int(byte()) / 8 * 8)
        if choice & 2 == 0 {
            receive(
                GuestFrames.ethernet(
                    GuestFrames.ipv4(
                        from: Self.guests[0], to: Self.peers[0], protocolNumber: 17, payload,
                        identification: identification, offset: choice & 4 == 0 ? offset % 64 : offset,
                        moreFragments: more), type: 0x0800))
        } else {
            let field = UInt16(truncatingIfNeeded: choice & 4 == 0 ? offset % 64 : offset) | (more ? 1 : 0)
            let header = [17, 0] + GuestFrames.word(field) + GuestFrames.long(UInt32(identification))
            receive(
                GuestFrames.packet(from: Self.guests[1], to: Self.peers[1], protocolNumber: 44, header + payload))
        }
    }

    /// A segment near to where its connection is.
    private func segment() {
        let choice = byte()
        let flags = byte()
        let port = 1000 + UInt16(choice % 4)
        let version = Int(choice >> 2 & 1)
        let known = last[port]
        let nearness = choice >> 3
        let sequence =
            (known?.acknowledgement ?? 7) &+ (nearness & 1 == 0 ? 0 : UInt32(truncatingIfNeeded: Int(word()) - 0x4000))
        let acknowledgement =
            (known?.end ?? 0)
            &+ (nearness & 2 == 0 ? 0 : UInt32(truncatingIfNeeded: Int(Int8(bitPattern: byte())) * 50))
        let options = nearness & 4 == 0 ? [] : bytes(Int(byte() % 11) * 4)
        let window = nearness & 8 == 0 ? 60000 : word()
        let payload = bytes(Int(byte()) * (nearness & 16 == 0 ? 1 : 4))
        let from = Endpoint(known?.to.address ?? Self.guests[version], port)
        let to = known?.from ?? Endpoint(Self.peers[version], 80)
        receive(
            GuestFrames.packet(
                from: from.address, to: to.address, protocolNumber: 6,
                GuestFrames.tcp(
                    from: from, to: to, sequence: sequence, acknowledgement: acknowledgement, flags: flags & 63,
                    window: window, options: options, payload)))
    }

    /// A whole handshake, so that all the rest is reached quickly.
    private func handshake() {
        let choice = byte()
        let from = Endpoint(Self.guests[Int(choice >> 2 & 1)], 1000 + UInt16(choice % 4))
        let to = Endpoint(Self.peers[Int(choice >> 2 & 1)], 80)
        var options: [UInt8] = [2, 4, 5, 180]
        if choice & 8 != 0 { options += [4, 2, 1, 1] }
        if choice & 16 != 0 { options += [1, 3, 3, choice >> 5] }
        if choice & 32 != 0 { options += [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0] }
        func send(_ sequence: UInt32, _ acknowledgement: UInt32, _ flags: UInt8, _ options: [UInt8]) {
            receive(
                GuestFrames.packet(
                    from: from.address, to: to.address, protocolNumber: 6,
                    GuestFrames.tcp(
                        from: from, to: to, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
                        options: options)))
        }
        let sequence = UInt32(word()) << 16
        send(sequence, 0, Flag.syn, options)
        let before = ids.count
        settle()
        guard ids.count > before, let id = ids.last else { return }
        stack.accept(id, at: now)
        settle()
        guard let answer = last[from.port], answer.flags & Flag.syn != 0 else { return }
        send(sequence &+ 1, answer.end, Flag.ack, choice & 32 != 0 ? [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0] : [])
    }

    private func onConnection(_ body: (ConnectionID) -> Void) {
        guard !ids.isEmpty else { return }
        let index = Int(byte()) % ids.count
        ids.append(ids.remove(at: index))
        body(ids[ids.count - 1])
    }

    private func forgetLast() { _ = ids.popLast() }

    private func refuse() {
        let choice = byte()
        let reasons: [Refusal] = [
            .reset, .prohibited, .hostUnreachable, .networkUnreachable, .portUnreachable, .timeExceeded, .silent,
        ]
        let reason = reasons[Int(choice) % reasons.count]
        switch choice >> 6 {
        case 0: for datagram in datagrams { stack.refuse(datagram, reason, at: now) }
        case 1: for request in echoes { stack.refuse(request, reason, at: now) }
        case 2:
            for request in echoes {
                request.payload.withUnsafeBytes { stack.sendEchoReply(request, payload: $0, at: now) }
            }
        default: onConnection { stack.refuse($0, reason, at: now) }
        }
    }

    private func readSome() {
        let most = Int(byte()) * 100
        onConnection { id in
            let count = stack.readableCount(id)
            let read = stack.read(id, at: now) { min($0.count, most) }
            precondition(read <= count && read <= most, "more was read than there was")
        }
    }

    private func writeSome() {
        let most = Int(byte()) * 100
        onConnection { id in
            let room = stack.writableCount(id)
            let written = stack.write(id, at: now) { memory in
                precondition(memory.count <= room, "there is more room than there is")
                return min(memory.count, most)
            }
            precondition(written <= most)
        }
        if most % 3 == 0 {
            onConnection { stack.setKeepAlive($0, idle: 1_000_000_000, interval: 1, count: 2, at: now) }
        }
    }

    private func connect() {
        let choice = byte()
        let version = Int(choice >> 2 & 1)
        let loopback = ["127.0.0.1", "::1"].compactMap { IPAddress($0) }[version]
        let id = stack.connect(
            from: Endpoint(Self.peers[version], 80),
            to: Endpoint(choice & 8 == 0 ? Self.guests[version] : loopback, 1000 + UInt16(choice % 4)), at: now)
        if let id { ids.append(id) }
    }

    private func datagram() {
        let choice = byte()
        let version = Int(choice & 1)
        let loopback = ["127.0.0.1", "::1"].compactMap { IPAddress($0) }[version]
        let payload = [UInt8](repeating: 1, count: Int(word()))
        _ = payload.withUnsafeBytes {
            stack.sendDatagram(
                from: Endpoint(Self.peers[version], 53),
                to: Endpoint(choice & 2 == 0 ? Self.guests[version] : loopback, 1000), $0, at: now)
        }
    }

    /// When the gateway gives up everything, nothing may be left.
    func end() {
        settle()
        for id in ids { stack.abort(id, at: now) }
        ids = []
        log.capacity = .max
        settle()
        for _ in 0..<100 {
            guard let deadline = stack.deadline else { break }
            now = deadline
            settle()
            for id in ids { stack.abort(id, at: now) }
            ids = []
        }
        precondition(stack.connectionCount == 0, "a connection is left")
        precondition(stack.bufferBytes == 0, "memory is left")
    }
}
