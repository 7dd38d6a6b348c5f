import NetworkAddress
import Testing

@testable import NetworkStack

/// A stack, and a guest that sends it what a test says.
final class ScriptedGuest {
    static let v4 = IPAddress.v4(IPv4Address(10, 0, 2, 15))
    static let v6 = IPAddress.v6(IPv6Address(high: 0xFD00_0000_0000_0000, low: 0x15))
    static let gateway4 = IPAddress.v4(IPv4Address(10, 0, 2, 2))
    static let gateway6 = IPAddress.v6(IPv6Address(high: 0xFD00_0000_0000_0000, low: 2))
    static let peer4 = IPAddress.v4(IPv4Address(198, 51, 100, 7))
    static let peer6 = IPAddress.v6(IPv6Address(high: 0x2001_0DB8_0000_0000, low: 7))

    let stack: NetworkStack
    let log = FrameLog()
    private(set) var now = Instant(nanoseconds: 5_000_000_000)

    init(_ change: (inout StackConfiguration) -> Void = { _ in }) {
        var configuration = StackConfiguration(
            gatewayMAC: GuestFrames.gatewayMAC, guestMAC: GuestFrames.guestMAC, guestAddresses: [Self.v4, Self.v6],
            gatewayAddresses: [Self.gateway4, Self.gateway6], seed: (1, 2))
        change(&configuration)
        stack = NetworkStack(configuration, output: log)
    }

    func send(_ frame: [UInt8]) { frame.withUnsafeBytes { stack.receive($0, at: now) } }

    func send(
        from: IPAddress = v4, to: IPAddress = peer4, protocolNumber: UInt8, _ payload: [UInt8], hopLimit: UInt8 = 64
    ) {
        send(
            GuestFrames.packet(from: from, to: to, protocolNumber: protocolNumber, payload, hopLimit: hopLimit))
    }

    /// Lets time pass, and the stack do what is due at each moment of it.
    func wait(milliseconds: UInt64) {
        let end = now.advanced(by: .milliseconds(milliseconds))
        while let deadline = stack.deadline, deadline <= end {
            now = max(now, deadline)
            stack.advance(to: now)
        }
        now = end
        stack.advance(to: now)
    }

    func events() -> [StackEvent] {
        var events: [StackEvent] = []
        while let event = stack.nextEvent() { events.append(event) }
        return events
    }

    /// What the stack has sent since the last time, all of it well made.
    func packets(sourceLocation: SourceLocation = #_sourceLocation) -> [SentPacket] {
        log.take().compactMap { frame in
            let packet = SentPacket(frame)
            #expect(packet != nil, "a frame is not well made", sourceLocation: sourceLocation)
            return packet
        }
    }

    func segments(sourceLocation: SourceLocation = #_sourceLocation) -> [SentSegment] {
        packets(sourceLocation: sourceLocation).compactMap(\.segment)
    }
}

/// One connection between a scripted guest and a peer of the stack's.
final class Conversation {
    static let allOptions: [UInt8] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]

    let guest: ScriptedGuest
    let id: ConnectionID
    let local: Endpoint
    let peer: Endpoint
    /// The guest's next number, and the next it expects.
    var sequence: UInt32
    var acknowledgement: UInt32
    /// Sent with each segment when not empty.
    var options: [UInt8] = []
    let answer: SentSegment

    var stack: NetworkStack { guest.stack }

    /// A connection that the guest asks for and the gateway accepts, established; with these options of SYN.
    init(
        _ guest: ScriptedGuest, port: UInt16 = 40000, options: [UInt8] = [2, 4, 5, 180, 1, 3, 3, 7, 4, 2],
        window: UInt16 = 65535, version: Int = 4
    ) throws {
        self.guest = guest
        local = Endpoint(version == 4 ? ScriptedGuest.v4 : ScriptedGuest.v6, port)
        peer = Endpoint(version == 4 ? ScriptedGuest.peer4 : ScriptedGuest.peer6, 80)
        sequence = 1_000_000
        acknowledgement = 0
        guest.send(
            from: local.address, to: peer.address, protocolNumber: 6,
            GuestFrames.tcp(
                from: local, to: peer, sequence: sequence, flags: Flag.syn, window: window, options: options))
        guard case .requested(let id, _, _)? = guest.events().first else {
            throw Missing("a request")
        }
        self.id = id
        guest.stack.accept(id, at: guest.now)
        guard let answer = guest.segments().first, answer.flags == Flag.syn | Flag.ack else {
            throw Missing("an answer to SYN")
        }
        self.answer = answer
        sequence &+= 1
        acknowledgement = answer.end
        send(window: window)
        guard guest.events() == [.established(id)] else { throw Missing("an established connection") }
        #expect(guest.segments().isEmpty, "a handshake needs no more than three segments")
    }

    struct Missing: Error {
        let what: String
        init(_ what: String) { self.what = what }
    }

    /// Sends a segment from where the guest is; a payload and flags move it on, unless `at` says another place.
    func send(
        _ payload: [UInt8] = [], flags: UInt8 = Flag.ack, at place: UInt32? = nil, acknowledging: UInt32? = nil,
        window: UInt16 = 65535, options: [UInt8]? = nil, urgent: UInt16 = 0
    ) {
        guest.send(
            from: local.address, to: peer.address, protocolNumber: 6,
            GuestFrames.tcp(
                from: local, to: peer, sequence: place ?? sequence, acknowledgement: acknowledging ?? acknowledgement,
                flags: flags, window: window, options: options ?? self.options, urgent: urgent, payload))
        if place == nil { sequence &+= UInt32(payload.count) &+ (flags & (Flag.fin | Flag.syn) != 0 ? 1 : 0) }
    }

    /// Takes what the stack has sent; acknowledgement follows what comes in order.
    func segments(sourceLocation: SourceLocation = #_sourceLocation) -> [SentSegment] {
        let segments = guest.segments(sourceLocation: sourceLocation)
        for segment in segments where segment.sequence == acknowledgement { acknowledgement = segment.end }
        return segments
    }

    func read(_ limit: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let count = stack.read(id, at: guest.now) {
                let part = $0.prefix(limit - bytes.count)
                bytes += part
                return part.count
            }
            if count == 0 { break }
        }
        return bytes
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Int { stack.write(id, bytes, at: guest.now) }
}
