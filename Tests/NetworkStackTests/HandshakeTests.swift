import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Connections begin")
struct HandshakeTests {
    private let local = Endpoint(ScriptedGuest.v4, 40000)
    private let peer = Endpoint(ScriptedGuest.peer4, 80)

    private func syn(
        _ guest: ScriptedGuest, sequence: UInt32 = 100, flags: UInt8 = Flag.syn, acknowledgement: UInt32 = 0,
        port: UInt16 = 40000, to: Endpoint? = nil, options: [UInt8] = []
    ) {
        let from = Endpoint(ScriptedGuest.v4, port)
        let to = to ?? peer
        guest.send(
            to: to.address, protocolNumber: 6,
            GuestFrames.tcp(
                from: from, to: to, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
                options: options))
    }

    private func request(_ guest: ScriptedGuest) throws -> ConnectionID {
        guard case .requested(let id, _, _)? = guest.events().first else { throw Conversation.Missing("a request") }
        return id
    }

    @Test("a request is told once, and nothing is answered before the gateway decides")
    func request() throws {
        let guest = ScriptedGuest()
        syn(guest)
        guard case .requested(_, let from, let to)? = guest.events().first else {
            Issue.record("the request is told")
            return
        }
        #expect(from == local && to == peer)
        syn(guest)
        syn(guest)
        guest.wait(milliseconds: 10_000)
        #expect(guest.events().isEmpty && guest.packets().isEmpty)
    }

    @Test("accepting offers what the guest offered", arguments: [4, 6])
    func options(version: Int) throws {
        let guest = ScriptedGuest()
        let conversation = try Conversation(guest, options: Conversation.allOptions, version: version)
        let options = conversation.answer.options
        let largest = UInt16(65520 - (version == 4 ? 40 : 60))
        #expect(options[2] == GuestFrames.word(largest) && options[3] == [5] && options[4] == [])
        #expect(options[8].map { Array($0[4...]) } == [0, 0, 0, 1])
        let plain = try Conversation(guest, port: 40001, options: [], version: version)
        #expect(plain.answer.options == [2: GuestFrames.word(largest)])
    }

    @Test("a lost answer is sent again, with more and more patience, and then given up")
    func lostAnswer() throws {
        let guest = ScriptedGuest()
        syn(guest)
        let id = try request(guest)
        guest.stack.accept(id, at: guest.now)
        #expect(guest.segments().count == 1)
        syn(guest)
        #expect(guest.segments().count == 1, "the guest asks again and is answered again")
        guest.wait(milliseconds: 7500)
        #expect(guest.segments().count == 3)
        guest.wait(milliseconds: 60_000)
        #expect(guest.events() == [.closed(id, .timedOut)])
        #expect(guest.stack.connectionCount == 0 && guest.stack.deadline == nil)
    }

    @Test("a refusal is a reset or an error of ICMP that quotes the request")
    func refusals() throws {
        let reasons: [(Refusal, [UInt8])] = [
            (.prohibited, [3, 13]), (.hostUnreachable, [3, 1]), (.networkUnreachable, [3, 0]),
        ]
        let guest = ScriptedGuest()
        syn(guest)
        guest.stack.refuse(try request(guest), .reset, at: guest.now)
        let reset = try #require(guest.segments().first)
        #expect(reset.flags == Flag.rst | Flag.ack && reset.acknowledgement == 101 && reset.sequence == 0)
        for (reason, code) in reasons {
            syn(guest)
            guest.stack.refuse(try request(guest), reason, at: guest.now)
            let error = try #require(guest.packets().first)
            #expect(Array(error.payload[..<2]) == code)
            let quoted = Array(error.payload[28...])
            #expect(SentPacket.u16(quoted, 0) == 40000 && SentPacket.u16(quoted, 2) == 80)
            #expect(SentPacket.u32(quoted, 4) == 100)
        }
        syn(guest)
        guest.stack.refuse(try request(guest), .silent, at: guest.now)
        #expect(guest.packets().isEmpty && guest.events().isEmpty && guest.stack.connectionCount == 0)
    }

    @Test("another request of the same ends takes the place of the first, and a reset takes it back")
    func replaced() throws {
        let guest = ScriptedGuest()
        syn(guest, sequence: 100)
        let first = try request(guest)
        syn(guest, sequence: 5000)
        let events = guest.events()
        #expect(events.first == .closed(first, .reset))
        guard case .requested(let second, _, _)? = events.last else {
            Issue.record("the second request is told")
            return
        }
        #expect(first != second)
        syn(guest, sequence: 77, flags: Flag.rst)
        #expect(guest.events().isEmpty, "a reset of something else")
        syn(guest, sequence: 5001, flags: Flag.rst)
        #expect(guest.events() == [.closed(second, .reset)])
        guest.stack.accept(second, at: guest.now)
        #expect(guest.packets().isEmpty)
    }

    @Test("segments of no connection are answered with a reset, resets are not")
    func unknown() throws {
        let guest = ScriptedGuest()
        syn(guest, sequence: 7, flags: Flag.ack, acknowledgement: 99)
        let answer = try #require(guest.segments().first)
        #expect(answer.flags == Flag.rst && answer.sequence == 99)
        syn(guest, sequence: 7, flags: Flag.fin)
        let other = try #require(guest.segments().first)
        #expect(other.flags == Flag.rst | Flag.ack && other.acknowledgement == 8)
        syn(guest, flags: Flag.rst)
        syn(guest, flags: Flag.rst | Flag.ack)
        #expect(guest.packets().isEmpty && guest.events().isEmpty)
    }

    @Test("nobody connects to groups, to everybody, or to no port")
    func unsuitable() {
        let guest = ScriptedGuest()
        for (address, port) in [
            ("224.0.0.1", UInt16(80)), ("255.255.255.255", 80), ("198.51.100.7", 0), ("0.0.0.0", 80),
        ] {
            syn(guest, to: Endpoint(IPAddress(address)!, port))
            guard case .refused(let refused)? = guest.events().first else {
                Issue.record("\(address) is refused")
                continue
            }
            #expect(refused.reason == .unsuitableDestination && refused.port == port)
        }
    }

    @Test("connections and requests are bounded")
    func bounds() throws {
        let guest = ScriptedGuest {
            $0.limits.requests = 5
            $0.limits.connections = 8
        }
        for port in 1..<10 as Range<UInt16> { syn(guest, port: port) }
        let events = guest.events()
        let ids: [ConnectionID] = events.compactMap {
            if case .requested(let id, _, _) = $0 { id } else { nil }
        }
        #expect(ids.count == 5 && events.count == 9)
        #expect(guest.segments().allSatisfy { $0.flags & Flag.rst != 0 })
        for id in ids { guest.stack.accept(id, at: guest.now) }
        for port in 10..<20 as Range<UInt16> { syn(guest, port: port) }
        #expect(guest.stack.connectionCount == 8)
        #expect(guest.stack.connect(from: peer, to: Endpoint(ScriptedGuest.v4, 22), at: guest.now) == nil)
    }

    /// A connection that the gateway begins; the guest's answer is the test's.
    private func connecting(_ guest: ScriptedGuest) throws -> (id: ConnectionID, syn: SentSegment) {
        let id = try #require(guest.stack.connect(from: peer, to: local, at: guest.now))
        let syn = try #require(guest.segments().first)
        #expect(syn.flags == Flag.syn && syn.from == peer && syn.to == local && Set(syn.options.keys) == [2, 3, 4, 8])
        return (id, syn)
    }

    @Test("a connection to the guest is established by its answer")
    func connect() throws {
        let guest = ScriptedGuest()
        let (id, first) = try connecting(guest)
        #expect(guest.stack.connect(from: peer, to: local, at: guest.now) == nil, "they are connected already")
        syn(guest, sequence: 900, flags: Flag.syn | Flag.ack, acknowledgement: first.end, options: [2, 4, 5, 180])
        #expect(guest.events() == [.established(id)])
        let answer = try #require(guest.segments().first)
        #expect(answer.flags == Flag.ack && answer.sequence == first.end && answer.acknowledgement == 901)
        #expect(guest.stack.write(id, [1, 2, 3], at: guest.now) == 3)
        #expect(guest.segments().first?.payload == [1, 2, 3])
    }

    @Test("a connection to the guest can be refused, be unreachable, and time out")
    func connectInVain() throws {
        let guest = ScriptedGuest()
        let (refused, first) = try connecting(guest)
        syn(guest, flags: Flag.rst | Flag.ack, acknowledgement: first.end &+ 1)
        #expect(guest.events().isEmpty, "a reset of something else")
        syn(guest, flags: Flag.rst | Flag.ack, acknowledgement: first.end)
        #expect(guest.events() == [.closed(refused, .refused)])

        let (unreachable, second) = try connecting(guest)
        let sent = GuestFrames.packet(
            from: peer.address, to: local.address, protocolNumber: 6,
            GuestFrames.tcp(from: peer, to: local, sequence: second.sequence, flags: Flag.syn))
        guest.send(
            protocolNumber: 1,
            GuestFrames.icmp(
                from: ScriptedGuest.v4, to: ScriptedGuest.peer4, type: 3, code: 1, [0, 0, 0, 0] + sent[14..<42]))
        #expect(guest.events() == [.closed(unreachable, .unreachable)])

        let (late, _) = try connecting(guest)
        guest.wait(milliseconds: 100_000)
        #expect(guest.events() == [.closed(late, .timedOut)])
        #expect(guest.segments().count == 4 && guest.stack.deadline == nil)
    }

    @Test("a loopback address of the guest can be connected to, an address of others cannot")
    func loopback() throws {
        let guest = ScriptedGuest()
        let inner = Endpoint(IPAddress("127.0.0.1")!, 8080)
        let id = try #require(guest.stack.connect(from: peer, to: inner, at: guest.now))
        let first = try #require(guest.segments().first)
        guest.send(
            from: inner.address, protocolNumber: 6,
            GuestFrames.tcp(
                from: inner, to: peer, sequence: 5, acknowledgement: first.end, flags: Flag.syn | Flag.ack))
        #expect(guest.events() == [.established(id)])
        for address in ["10.0.2.16", "198.51.100.7", "fd00::15"] {
            #expect(guest.stack.connect(from: peer, to: Endpoint(IPAddress(address)!, 1), at: guest.now) == nil)
        }
    }

    @Test("both may begin at once")
    func simultaneous() throws {
        let guest = ScriptedGuest()
        let (id, first) = try connecting(guest)
        syn(guest, sequence: 900)
        let answer = try #require(guest.segments().first)
        #expect(answer.flags == Flag.syn | Flag.ack && answer.sequence == first.sequence)
        #expect(answer.acknowledgement == 901)
        syn(guest, sequence: 900, flags: Flag.syn | Flag.ack, acknowledgement: first.end)
        #expect(guest.events() == [.established(id)])
        #expect(guest.stack.write(id, [9], at: guest.now) == 1)
        #expect(guest.segments().last?.payload == [9])
    }

    @Test("initial numbers cannot be guessed, and grow between the same ends")
    func initialNumbers() throws {
        func first(_ guest: ScriptedGuest) throws -> UInt32 {
            syn(guest)
            let id = try request(guest)
            guest.stack.accept(id, at: guest.now)
            let answer = try #require(guest.segments().first)
            guest.stack.abort(id, at: guest.now)
            _ = guest.packets()
            return answer.sequence
        }
        let guest = ScriptedGuest()
        let one = try first(guest)
        guest.wait(milliseconds: 1000)
        #expect(try first(guest) &- one == 250_000)
        #expect(try first(ScriptedGuest { $0.seed = (3, 4) }) != one)
    }
}
