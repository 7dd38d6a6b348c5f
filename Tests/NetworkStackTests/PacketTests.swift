import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Packets")
struct PacketTests {
    private let from = Endpoint(ScriptedGuest.v4, 1000)
    private let to = Endpoint(ScriptedGuest.peer4, 53)
    private let from6 = Endpoint(ScriptedGuest.v6, 1000)
    private let to6 = Endpoint(ScriptedGuest.peer6, 53)

    private func payloads(_ events: [StackEvent]) -> [[UInt8]] {
        events.compactMap { if case .datagram(let datagram) = $0 { datagram.payload } else { nil } }
    }

    @Test("a corrupted bit anywhere in a packet makes it be ignored")
    func corruption() {
        let guest = ScriptedGuest()
        for (from, to) in [(from, to), (from6, to6)] {
            let frame = GuestFrames.packet(
                from: from.address, to: to.address, protocolNumber: 17,
                GuestFrames.udp(from: from, to: to, [1, 2, 3, 4, 5]))
            let start = 14 + from.address.headerLength
            for place in start * 8..<frame.count * 8 {
                var bad = frame
                bad[place / 8] ^= 1 << UInt8(place % 8)
                guest.send(bad)
            }
            #expect(guest.events().isEmpty)
        }
        let frame = GuestFrames.packet(
            from: from.address, to: to.address, protocolNumber: 17, GuestFrames.udp(from: from, to: to, [1]))
        for place in 14 * 8..<34 * 8 {
            var bad = frame
            bad[place / 8] ^= 1 << UInt8(place % 8)
            guest.send(bad)
        }
        #expect(guest.events().isEmpty, "so it does in the header")
    }

    @Test("a source that is not the guest's is refused and told")
    func forged() {
        let guest = ScriptedGuest()
        for (source, target) in [
            ("10.0.2.16", "198.51.100.7"), ("127.0.0.1", "198.51.100.7"), ("fd00::16", "2001:db8::7"),
            ("fe80::1", "2001:db8::7"),
        ] {
            let from = Endpoint(IPAddress(source)!, 1000)
            let to = Endpoint(IPAddress(target)!, 53)
            guest.send(from: from.address, to: to.address, protocolNumber: 17, GuestFrames.udp(from: from, to: to, [1]))
            #expect(
                guest.events() == [
                    .refused(
                        RefusedPacket(reason: .forgedSource, from: from.address, to: to.address, protocolNumber: 17))
                ])
        }
        #expect(guest.log.take().isEmpty)
    }

    @Test("an unknown protocol is refused, told and answered")
    func protocols() throws {
        let guest = ScriptedGuest()
        guest.send(protocolNumber: 47, [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(
            guest.events() == [
                .refused(
                    RefusedPacket(
                        reason: .unsupportedProtocol, from: ScriptedGuest.v4, to: ScriptedGuest.peer4,
                        protocolNumber: 47))
            ])
        let answer = try #require(guest.packets().first)
        #expect(answer.source == ScriptedGuest.gateway4 && Array(answer.payload[..<2]) == [3, 2])
        #expect(answer.payload[17] == 47 && Array(answer.payload[28...]) == [1, 2, 3, 4, 5, 6, 7, 8])
        guest.send(from: ScriptedGuest.v6, to: ScriptedGuest.peer6, protocolNumber: 132, [9, 9])
        let answer6 = try #require(guest.packets().first)
        #expect(Array(answer6.payload[..<2]) == [4, 1])
        _ = guest.events()
        for _ in 0..<1000 { guest.send(protocolNumber: 47, []) }
        #expect(
            guest.events().count == 256 && guest.stack.omittedRefusals == 744, "what is told is bounded and counted")
    }

    @Test("options of IPv4 and extensions of IPv6 are passed over")
    func extensions() {
        let guest = ScriptedGuest()
        let datagram = GuestFrames.udp(from: from, to: to, [7])
        guest.send(
            GuestFrames.ethernet(
                GuestFrames.ipv4(
                    from: from.address, to: to.address, protocolNumber: 17, datagram, options: [1, 1, 1, 0]),
                type: 0x0800))
        let datagram6 = GuestFrames.udp(from: from6, to: to6, [8])
        let routing: [UInt8] = [60, 1] + Array(repeating: 0, count: 14)
        let chain: [UInt8] = [43, 0, 1, 4, 0, 0, 0, 0] + routing + [17, 0, 0, 0, 0, 0, 0, 0]
        guest.send(from: from6.address, to: to6.address, protocolNumber: 0, chain + datagram6)
        #expect(payloads(guest.events()) == [[7], [8]])
        var routed = chain
        routed[11] = 1
        guest.send(from: from6.address, to: to6.address, protocolNumber: 0, routed + datagram6)
        let endless = (0..<400).map { UInt8($0 % 8 == 0 ? 60 : 0) }
        guest.send(from: from6.address, to: to6.address, protocolNumber: 60, endless + datagram6)
        guest.send(from: from6.address, to: to6.address, protocolNumber: 60, [17, 255, 0, 0, 0, 0, 0, 0] + datagram6)
        #expect(guest.events().isEmpty)
    }

    private func fragments(
        _ payload: [UInt8], step: Int = 1000, identification: UInt16 = 5, version: Int = 4
    ) -> [[UInt8]] {
        stride(from: 0, to: payload.count, by: step).map { start in
            let part = Array(payload[start..<min(start + step, payload.count)])
            let more = start + step < payload.count
            guard version == 6 else {
                return GuestFrames.ethernet(
                    GuestFrames.ipv4(
                        from: from.address, to: to.address, protocolNumber: 17, part, identification: identification,
                        offset: start, moreFragments: more), type: 0x0800)
            }
            let header: [UInt8] =
                [17, 0] + GuestFrames.word(start | (more ? 1 : 0)) + [0, 0] + GuestFrames.word(identification)
            return GuestFrames.packet(from: from6.address, to: to6.address, protocolNumber: 44, header + part)
        }
    }

    @Test("fragments make their datagram in any order, and come twice without harm", arguments: [4, 6])
    func reassembly(version: Int) {
        let content = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
        let datagram =
            version == 4 ? GuestFrames.udp(from: from, to: to, content) : GuestFrames.udp(from: from6, to: to6, content)
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed)
            let guest = ScriptedGuest()
            let parts = fragments(datagram, version: version)
            for part in (parts.dropLast() + parts.dropLast()).shuffled(using: &generator) { guest.send(part) }
            #expect(guest.events().isEmpty)
            guest.send(parts[parts.count - 1])
            #expect(payloads(guest.events()) == [content])
            #expect(guest.stack.reassembly.byteCount == 0)
        }
    }

    @Test("fragments that overlap make their datagram void")
    func overlaps() {
        let guest = ScriptedGuest()
        let datagram = GuestFrames.udp(from: from, to: to, Array(repeating: 1, count: 3000))
        let parts = fragments(datagram)
        guest.send(parts[0])
        guest.send(
            GuestFrames.ethernet(
                GuestFrames.ipv4(
                    from: from.address, to: to.address, protocolNumber: 17, Array(repeating: 2, count: 16),
                    identification: 5, offset: 992, moreFragments: true), type: 0x0800))
        for part in parts { guest.send(part) }
        #expect(guest.events().isEmpty)
        #expect(guest.stack.reassembly.byteCount == 0)
    }

    @Test("fragments are kept in bounds, and not for ever")
    func bounds() {
        let guest = ScriptedGuest()
        for identification in 0..<200 as Range<UInt16> {
            guest.send(fragments(Array(repeating: 1, count: 60_000), step: 59_000, identification: identification)[0])
        }
        #expect(guest.stack.reassembly.count == 64 && guest.stack.reassembly.byteCount <= 4 << 20)
        guest.wait(milliseconds: 31_000)
        #expect(guest.stack.reassembly.count == 0 && guest.stack.deadline == nil)
        guest.send(
            GuestFrames.ethernet(
                GuestFrames.ipv4(
                    from: from.address, to: to.address, protocolNumber: 17, Array(repeating: 2, count: 64),
                    offset: 65528, moreFragments: false), type: 0x0800))
        #expect(guest.stack.reassembly.count == 0, "no datagram is longer than 65535 bytes")
    }

    @Test("packets to forwarded ranges go up whole, and come down whole")
    func forwarding() throws {
        let guest = ScriptedGuest { $0.forwardedRanges = [AddressRange("10.9.0.0/16")!] }
        let packet = GuestFrames.ipv4(
            from: from.address, to: IPAddress("10.9.1.1")!, protocolNumber: 6, [1, 2, 3], moreFragments: true)
        guest.send(GuestFrames.ethernet(packet, type: 0x0800))
        #expect(guest.events() == [.packet(packet)])
        let answer = GuestFrames.ipv4(
            from: IPAddress("10.9.1.1")!, to: from.address, protocolNumber: 99, [4, 5])
        #expect(answer.withUnsafeBytes { guest.stack.sendPacket($0, at: guest.now) })
        #expect(try #require(guest.log.take().first).dropFirst(14).elementsEqual(answer))
        #expect(![UInt8](repeating: 0, count: 30).withUnsafeBytes { guest.stack.sendPacket($0, at: guest.now) })
        guest.stack.forwardedRanges = []
        guest.send(GuestFrames.ethernet(packet, type: 0x0800))
        #expect(guest.events().isEmpty)
    }
}
