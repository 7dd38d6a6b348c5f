import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Datagrams and pings")
struct DatagramTests {
    private static let ends4 = (Endpoint(ScriptedGuest.v4, 1000), Endpoint(ScriptedGuest.peer4, 53))
    private static let ends6 = (Endpoint(ScriptedGuest.v6, 1000), Endpoint(ScriptedGuest.peer6, 53))

    private func arrive(_ guest: ScriptedGuest, _ ends: (Endpoint, Endpoint), _ payload: [UInt8]) -> Datagram? {
        guest.send(
            from: ends.0.address, to: ends.1.address, protocolNumber: 17,
            GuestFrames.udp(from: ends.0, to: ends.1, payload), hopLimit: 9)
        guard case .datagram(let datagram)? = guest.events().first else { return nil }
        return datagram
    }

    @Test("a datagram goes up with its ends, its content and the kind of its destination")
    func up() throws {
        let guest = ScriptedGuest()
        for ends in [Self.ends4, Self.ends6] {
            let datagram = try #require(arrive(guest, ends, [1, 2, 3]))
            #expect(datagram.from == ends.0 && datagram.to == ends.1)
            #expect(datagram.payload == [1, 2, 3] && datagram.hopLimit == 9 && datagram.destination == .unicast)
        }
        for (address, kind) in [
            ("255.255.255.255", DestinationKind.broadcast), ("224.0.0.251", .multicast),
            ("169.254.169.254", .linkLocal),
        ] {
            let to = Endpoint(IPAddress(address)!, 5353)
            #expect(arrive(guest, (Self.ends4.0, to), [])?.destination == kind)
        }
        #expect(arrive(guest, (Self.ends6.0, Endpoint(IPAddress("ff02::fb")!, 1)), [])?.destination == .multicast)
        #expect(arrive(guest, (Self.ends6.0, Endpoint(IPAddress("fe80::1")!, 1)), [])?.destination == .linkLocal)
    }

    @Test("a checksum may be missing with IPv4 and not with IPv6; lengths must be true")
    func checksums() {
        let guest = ScriptedGuest()
        for (ends, isTaken) in [(Self.ends4, true), (Self.ends6, false)] {
            var bytes = GuestFrames.udp(from: ends.0, to: ends.1, [5])
            GuestFrames.put(0, in: &bytes, at: 6)
            guest.send(from: ends.0.address, to: ends.1.address, protocolNumber: 17, bytes)
            #expect(guest.events().isEmpty != isTaken)
            GuestFrames.put(10, in: &bytes, at: 4)
            guest.send(from: ends.0.address, to: ends.1.address, protocolNumber: 17, bytes)
            GuestFrames.put(7, in: &bytes, at: 4)
            guest.send(from: ends.0.address, to: ends.1.address, protocolNumber: 17, bytes)
            #expect(guest.events().isEmpty)
        }
    }

    @Test("a datagram goes down, in fragments when it is long")
    func down() throws {
        for (mtu, size) in [
            (1500, 0), (1500, 1), (1500, 1472), (1500, 1473), (1500, 9001), (65520, 65507), (65520, 65487),
        ] {
            let guest = ScriptedGuest { $0.mtu = mtu }
            let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            for ends in [Self.ends4, Self.ends6] {
                let isSent = payload.withUnsafeBytes {
                    guest.stack.sendDatagram(from: ends.1, to: ends.0, $0, at: guest.now)
                }
                #expect(isSent)
                let frames = guest.log.take()
                #expect(frames.allSatisfy { $0.count <= mtu + 14 })
                let packets = frames.compactMap { SentPacket($0) }
                #expect(packets.count == frames.count)
                let bytes = packets.sorted { ($0.fragment?.offset ?? 0) < ($1.fragment?.offset ?? 0) }.flatMap(
                    \.payload)
                #expect(bytes == GuestFrames.udp(from: ends.1, to: ends.0, payload))
            }
        }
        let guest = ScriptedGuest()
        let tooLong = [UInt8](repeating: 0, count: 65508)
        #expect(
            !tooLong.withUnsafeBytes {
                guest.stack.sendDatagram(from: Self.ends4.1, to: Self.ends4.0, $0, at: guest.now)
            })
    }

    @Test("a refused datagram is answered with an error that quotes it", arguments: [4, 6])
    func refusals(version: Int) throws {
        let guest = ScriptedGuest()
        let ends = version == 4 ? Self.ends4 : Self.ends6
        let reasons: [(Refusal, [UInt8], [UInt8])] = [
            (.reset, [3, 3], [1, 4]), (.portUnreachable, [3, 3], [1, 4]), (.prohibited, [3, 13], [1, 1]),
            (.hostUnreachable, [3, 1], [1, 3]), (.networkUnreachable, [3, 0], [1, 0]),
            (.timeExceeded, [11, 0], [3, 0]),
        ]
        for (reason, code4, code6) in reasons {
            guest.stack.refuse(try #require(arrive(guest, ends, [1, 2, 3])), reason, at: guest.now)
            let error = try #require(guest.packets().first)
            #expect(error.destination == ends.0.address)
            #expect(error.source == (version == 4 ? ScriptedGuest.gateway4 : ScriptedGuest.gateway6))
            #expect(Array(error.payload[..<2]) == (version == 4 ? code4 : code6))
            let quoted = Array(error.payload[8...])
            let header = version == 4 ? 20 : 40
            #expect(quoted[0] >> 4 == UInt8(version) && quoted[version == 4 ? 8 : 7] == 9)
            #expect(SentPacket.u16(quoted, header) == 1000 && SentPacket.u16(quoted, header + 2) == 53)
            #expect(SentPacket.u16(quoted, header + 4) == 11)
        }
        guest.stack.refuse(try #require(arrive(guest, ends, [1])), .silent, at: guest.now)
        let group = Endpoint(IPAddress(version == 4 ? "224.0.0.251" : "ff02::fb")!, 5353)
        guest.stack.refuse(try #require(arrive(guest, (ends.0, group), [1])), .prohibited, at: guest.now)
        #expect(guest.packets().isEmpty, "nothing is said about what went to many")
    }

    @Test("the guest's word that nobody listens goes up")
    func guestRefuses() {
        let guest = ScriptedGuest()
        for (ends, type, code) in [(Self.ends4, UInt8(3), UInt8(3)), (Self.ends6, 1, 4)] {
            let sent = GuestFrames.packet(
                from: ends.1.address, to: ends.0.address, protocolNumber: 17,
                GuestFrames.udp(from: ends.1, to: ends.0, [1]))
            let number: UInt8 = type == 3 ? 1 : 58
            guest.send(
                from: ends.0.address, to: ends.1.address, protocolNumber: number,
                GuestFrames.icmp(
                    from: ends.0.address, to: ends.1.address, type: type, code: code, [0, 0, 0, 0] + sent[14...]))
            #expect(guest.events() == [.datagramRefused(from: ends.1, to: ends.0)])
        }
    }

    @Test("answers from the guest's loopback pass when something was sent there, and only then")
    func loopback() {
        let guest = ScriptedGuest()
        let local = Endpoint(IPAddress("127.0.0.1")!, 1000)
        func answer() -> [StackEvent] {
            guest.send(
                from: local.address, protocolNumber: 17, GuestFrames.udp(from: local, to: Self.ends4.1, [1]))
            return guest.events()
        }
        guard case .refused? = answer().first else {
            Issue.record("a loopback source is forged")
            return
        }
        _ = [UInt8(1)].withUnsafeBytes { guest.stack.sendDatagram(from: Self.ends4.1, to: local, $0, at: guest.now) }
        guard case .datagram? = answer().first else {
            Issue.record("an answer from loopback goes up")
            return
        }
    }

    private func ping(_ guest: ScriptedGuest, _ from: IPAddress, _ to: IPAddress, _ payload: [UInt8]) {
        guest.send(
            from: from, to: to, protocolNumber: from.isV4 ? 1 : 58,
            GuestFrames.icmp(from: from, to: to, type: from.isV4 ? 8 : 128, [0, 7, 0, 9] + payload))
    }

    @Test("the gateway answers its pings itself", arguments: [4, 6])
    func gateway(version: Int) throws {
        let guest = ScriptedGuest()
        let (from, to) =
            version == 4
            ? (ScriptedGuest.v4, ScriptedGuest.gateway4) : (ScriptedGuest.v6, ScriptedGuest.gateway6)
        ping(guest, from, to, [1, 2, 3])
        let answer = try #require(guest.packets().first)
        #expect(answer.source == to && answer.destination == from)
        #expect(answer.payload[0] == (version == 4 ? 0 : 129) && Array(answer.payload[4...]) == [0, 7, 0, 9, 1, 2, 3])
        #expect(guest.events().isEmpty)
    }

    @Test("other pings go up, and are answered or refused from there", arguments: [4, 6])
    func pings(version: Int) throws {
        let guest = ScriptedGuest()
        let (from, to) =
            version == 4 ? (ScriptedGuest.v4, ScriptedGuest.peer4) : (ScriptedGuest.v6, ScriptedGuest.peer6)
        ping(guest, from, to, [4, 5])
        guard case .echo(let request)? = guest.events().first else {
            Issue.record("a ping goes up")
            return
        }
        #expect(request.from == from && request.to == to && request.identifier == 7 && request.sequence == 9)
        #expect(request.payload == [4, 5])
        request.payload.withUnsafeBytes { guest.stack.sendEchoReply(request, payload: $0, at: guest.now) }
        #expect(try #require(guest.packets().first).payload.suffix(6) == [0, 7, 0, 9, 4, 5])
        guest.stack.refuse(request, .prohibited, at: guest.now)
        let error = try #require(guest.packets().first)
        #expect(Array(error.payload[..<2]) == (version == 4 ? [3, 13] : [1, 1]))
        #expect(error.payload[8 + from.headerLength] == (version == 4 ? 8 : 128))
        ping(guest, from, IPAddress(version == 4 ? "255.255.255.255" : "ff02::1")!, [])
        guard case .refused(let refused)? = guest.events().first else {
            Issue.record("a ping of all is refused")
            return
        }
        #expect(refused.reason == .unsuitableDestination)
    }

    @Test("datagrams that nobody takes up are bounded")
    func bounds() {
        let guest = ScriptedGuest { $0.limits.waitingDatagramBytes = 10_000 }
        let bytes = GuestFrames.udp(from: Self.ends4.0, to: Self.ends4.1, Array(repeating: 1, count: 1000))
        for _ in 0..<100 { guest.send(protocolNumber: 17, bytes) }
        #expect(guest.events().count == 10)
        guest.send(protocolNumber: 17, bytes)
        #expect(guest.events().count == 1)
    }
}
