import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("The guest's link")
struct LinkTests {
    @Test("the gateway and neighbours of its link are found by ARP, and nobody else")
    func arp() throws {
        let guest = ScriptedGuest { $0.localRanges = [AddressRange("10.0.2.0/28")!] }
        func isFound(_ target: String, sender: String = "10.0.2.15") throws -> Bool {
            guest.send(GuestFrames.arp(sender: IPAddress(sender)!, target: IPAddress(target)!))
            let frames = guest.log.take()
            guard let frame = frames.first else { return false }
            #expect(frames.count == 1)
            #expect(Array(frame[..<6]) == GuestFrames.guestMAC.bytes && frame[21] == 2)
            #expect(Array(frame[22..<28]) == GuestFrames.gatewayMAC.bytes)
            #expect(IPAddress(bytes: frame[28..<32]) == IPAddress(target))
            return true
        }
        #expect(try isFound("10.0.2.2"))
        #expect(try isFound("10.0.2.7"))
        #expect(try isFound("10.0.2.2", sender: "0.0.0.0"))
        #expect(try !isFound("10.0.2.99"))
        #expect(try !isFound("10.0.2.15", sender: "0.0.0.0"), "the guest's own address is free for it")
        #expect(guest.events().isEmpty)
        #expect(try !isFound("10.0.2.2", sender: "10.0.2.16"))
        guard case .refused(let refused)? = guest.events().first else {
            Issue.record("a forged sender is told")
            return
        }
        #expect(refused.reason == .forgedSource && refused.from == IPAddress("10.0.2.16"))
    }

    private func solicit(
        _ guest: ScriptedGuest, _ target: IPAddress, from source: IPAddress, hopLimit: UInt8 = 255
    ) -> [SentPacket] {
        let group = IPAddress.v6(IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x1_FF00_0002))
        let message = GuestFrames.icmp(from: source, to: group, type: 135, [0, 0, 0, 0] + target.bytes)
        guest.send(from: source, to: group, protocolNumber: 58, message, hopLimit: hopLimit)
        return guest.packets()
    }

    @Test("the gateway is found by neighbour discovery, from any address that the link knows")
    func discovery() throws {
        let guest = ScriptedGuest()
        for source in [ScriptedGuest.v6, IPAddress("fe80::1234")!] {
            let answer = try #require(solicit(guest, ScriptedGuest.gateway6, from: source).first)
            #expect(answer.destination == source && answer.hopLimit == 255)
            #expect(answer.payload[0] == 136 && answer.payload[4] == 0xE0)
            #expect(Array(answer.payload[26..<32]) == GuestFrames.gatewayMAC.bytes)
        }
        let toAll = try #require(solicit(guest, ScriptedGuest.gateway6, from: IPAddress("::")!).first)
        #expect(toAll.destination == IPAddress("ff02::1"))
        #expect(solicit(guest, ScriptedGuest.v6, from: IPAddress("::")!).isEmpty, "its own address is free for it")
        #expect(solicit(guest, ScriptedGuest.peer6, from: ScriptedGuest.v6).isEmpty)
        #expect(solicit(guest, ScriptedGuest.gateway6, from: ScriptedGuest.v6, hopLimit: 254).isEmpty)
        #expect(
            solicit(guest, IPAddress(IPAddress.v6(guest.stack.linkLocalAddress).description)!, from: ScriptedGuest.v6)
                .count == 1)
        #expect(guest.events().isEmpty)
    }

    @Test("routers are advertised only where that is wanted", arguments: [false, true])
    func routers(isWanted: Bool) throws {
        let guest = ScriptedGuest { $0.advertisesRouter = isWanted }
        let source = IPAddress("fe80::1")!
        let all = IPAddress("ff02::2")!
        let message = GuestFrames.icmp(from: source, to: all, type: 133, [0, 0, 0, 0])
        guest.send(from: source, to: all, protocolNumber: 58, message, hopLimit: 255)
        let answers = guest.packets()
        #expect(answers.count == (isWanted ? 1 : 0))
        if let answer = answers.first { #expect(answer.payload[0] == 134 && answer.hopLimit == 255) }
    }

    @Test("frames that are too short, too long, or not between guest and gateway are ignored")
    func frames() {
        let guest = ScriptedGuest { $0.mtu = 1500 }
        let datagram = GuestFrames.udp(
            from: Endpoint(ScriptedGuest.v4, 1), to: Endpoint(ScriptedGuest.peer4, 2), [1, 2, 3])
        let packet = GuestFrames.ipv4(from: ScriptedGuest.v4, to: ScriptedGuest.peer4, protocolNumber: 17, datagram)
        let good = GuestFrames.ethernet(packet, type: 0x0800)
        for length in 0..<good.count { guest.send(Array(good[..<length])) }
        guest.send(GuestFrames.ethernet(packet, type: 0x0800, from: MACAddress(7)))
        guest.send(GuestFrames.ethernet(packet, type: 0x0800, to: MACAddress(8)))
        guest.send(GuestFrames.ethernet(packet, type: 0x88CC))
        guest.send(GuestFrames.ethernet(packet, type: 0x86DD))
        guest.send(GuestFrames.ethernet(packet + Array(repeating: 0, count: 1500), type: 0x0800))
        #expect(guest.events().isEmpty && guest.log.take().isEmpty)
        #expect(guest.stack.ignoredFrames == good.count + 5)
        guest.send(good + [0, 0, 0, 0])
        #expect(guest.events().count == 1, "padding behind the packet is none of it")
    }

    @Test("what the link has no room for goes later, in bounds")
    func full() {
        let guest = ScriptedGuest { $0.limits.waitingFrameBytes = 1000 }
        guest.log.capacity = 100
        for _ in 0..<50 { guest.send(GuestFrames.arp(sender: ScriptedGuest.v4, target: ScriptedGuest.gateway4)) }
        var count = 0
        while guest.log.wasFull {
            count += guest.log.take().count
            guest.stack.outputReady(at: guest.now)
        }
        count += guest.log.take().count
        #expect(count == 2 + 1000 / 42)
    }
}
