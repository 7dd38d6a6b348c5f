import NetworkAddress
import Testing

@testable import NetworkStack

/// Packets that are handed on whole: what they say, which belong together, and how they are refused.
@Suite("Forwarded packets") struct FlowTableTests {
    /// A packet of IP of the guest's, or for it, with what the other files make of frames.
    private static let addresses: [(guest: IPAddress, peer: IPAddress)] = [
        (.v4(IPv4Address(10, 188, 0, 2)), .v4(IPv4Address(10, 188, 0, 3))),
        (
            .v6(IPv6Address(high: 0xFD12_3456_789A_0000, low: 2)), .v6(IPv6Address(high: 0xFD12_3456_789A_0000, low: 3))
        ),
    ]

    private struct Ends {
        let guest: IPAddress
        let peer: IPAddress

        func packet(fromGuest: Bool, _ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
            let (source, destination) = fromGuest ? (guest, peer) : (peer, guest)
            return FlowTableTests.packet(source, destination, number, payload)
        }

        func tcp(
            fromGuest: Bool, _ flags: TCPFlags, _ sequence: UInt32 = 0, _ acknowledgement: UInt32 = 0, data: Int = 0,
            guestPort: UInt16 = 1000, peerPort: UInt16 = 80
        ) -> [UInt8] {
            var segment = [UInt8](repeating: 0, count: 20 + data)
            segment.withUnsafeMutableBytes {
                TCPHeader.write(
                    to: FrameBytes($0), at: 0, sourcePort: fromGuest ? guestPort : peerPort,
                    destinationPort: fromGuest ? peerPort : guestPort, sequence: SequenceNumber(sequence),
                    acknowledgement: SequenceNumber(acknowledgement), length: 20, flags: flags, window: 100)
            }
            return packet(fromGuest: fromGuest, 6, segment)
        }

        func udp(fromGuest: Bool, _ source: UInt16, _ destination: UInt16) -> [UInt8] {
            packet(
                fromGuest: fromGuest, 17,
                [source, destination, 9, 0].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } + [1])
        }

        func echo(fromGuest: Bool, isReply: Bool) -> [UInt8] {
            let type: UInt8 = guest.isV4 ? (isReply ? 0 : 8) : isReply ? 129 : 128
            return packet(fromGuest: fromGuest, guest.isV4 ? 1 : 58, [type, 0, 0, 0, 0, 7, 0, 1])
        }
    }

    private static func packet(_ source: IPAddress, _ destination: IPAddress, _ number: UInt8, _ payload: [UInt8])
        -> [UInt8]
    {
        let header = source.headerLength
        var bytes = [UInt8](repeating: 0, count: header) + payload
        bytes.withUnsafeMutableBytes {
            let packet = FrameBytes($0)
            switch (source, destination) {
            case (.v4(let source), .v4(let destination)):
                IPv4Header.write(
                    to: packet, at: 0, from: source, to: destination, protocolNumber: number,
                    payloadLength: payload.count)
            case (.v6(let source), .v6(let destination)):
                IPv6Header.write(
                    to: packet, at: 0, from: source, to: destination, nextHeader: number, payloadLength: payload.count)
            default: break
            }
        }
        return bytes
    }

    private static let ends = addresses.map { Ends(guest: $0.guest, peer: $0.peer) }

    private func read(_ bytes: [UInt8]) throws -> ForwardedPacket {
        try #require(bytes.withUnsafeBytes { ForwardedPacket($0) })
    }

    private func segment(_ packet: ForwardedPacket) throws -> ForwardedPacket.Segment {
        var found: ForwardedPacket.Segment?
        if case .tcp(let segment) = packet.content { found = segment }
        return try #require(found)
    }

    private func first(_ passage: FlowTable<some Hashable & Sendable>.Passage) throws -> ForwardedFlow {
        var found: ForwardedFlow?
        if case .first(let flow) = passage { found = flow }
        return try #require(found)
    }

    private func answer(_ refusal: Refusal, _ bytes: [UInt8]) throws -> ForwardedPacket? {
        let packet = try read(bytes)
        let answer = bytes.withUnsafeBytes { packet.answer(refusal, to: $0) }
        guard let answer else { return nil }
        // Whole, with checksums that hold.
        #expect(
            SentPacket(
                GuestFrames.guestMAC.bytes + GuestFrames.gatewayMAC.bytes
                    + (packet.source.isV4 ? [8, 0] : [0x86, 0xDD]) + answer) != nil)
        return try read(answer)
    }

    @Test("a connection passes both ways once its beginning was allowed, and nothing of it before")
    func connection() throws {
        for ends in Self.ends {
            var table = FlowTable<String>()
            let begin = try read(ends.tcp(fromGuest: true, .syn))
            let flow = try first(table.note(begin, fromGuest: true, at: 0))
            #expect(flow == ForwardedFlow(.tcp, guest: Endpoint(ends.guest, 1000), peer: Endpoint(ends.peer, 80)))
            let reply = try read(ends.tcp(fromGuest: false, [.syn, .acknowledgement], 5, 1))
            #expect(table.note(reply, fromGuest: false, at: 0) == .stray)
            table.add(flow, begin, fromGuest: true, "peer", at: 0)
            #expect(table.note(reply, fromGuest: false, at: 1) == .known("peer"))
            let data = try read(ends.tcp(fromGuest: true, .acknowledgement, 1, 6, data: 100))
            #expect(table.note(data, fromGuest: true, at: 2) == .known("peer"))
            // Another of its ports, and another direction.
            #expect(
                try table.note(
                    read(ends.tcp(fromGuest: true, .acknowledgement, guestPort: 1001)), fromGuest: true, at: 2)
                    == .stray)
            #expect(
                try table.note(
                    read(ends.tcp(fromGuest: false, .syn, guestPort: 80, peerPort: 1000)), fromGuest: false, at: 2)
                    != .known("peer"))
            let known = try #require(table.all.first)
            #expect(known.state.isGuests && known.state.bytesOut > known.state.bytesIn && table.count == 1)
            // Each hears of the end with what it waits for.
            let toGuest = try read(#require(known.state.reset(flow, forGuest: true)))
            let toGuestSegment = try segment(toGuest)
            #expect(toGuestSegment.resets && toGuestSegment.sequence == 6 && toGuest.destination == ends.guest)
            let toPeer = try read(#require(known.state.reset(flow, forGuest: false)))
            let toPeerSegment = try segment(toPeer)
            #expect(toPeerSegment.resets && toPeerSegment.sequence == 1 && toPeer.destination == ends.peer)
        }
    }

    @Test(
        "a connection that both have ended is forgotten soon, an open one not in a day, and its ports can be used again"
    )
    func ending() throws {
        let ends = Self.ends[0]
        var table = FlowTable<String>()
        let begin = try read(ends.tcp(fromGuest: false, .syn, 9))
        let flow = try first(table.note(begin, fromGuest: false, at: 0))
        table.add(flow, begin, fromGuest: false, "peer", at: 0)
        _ = try table.note(read(ends.tcp(fromGuest: true, [.syn, .acknowledgement], 1, 10)), fromGuest: true, at: 0)
        _ = try table.note(read(ends.tcp(fromGuest: false, .acknowledgement, 10, 2)), fromGuest: false, at: 0)
        #expect(table.expire(at: .seconds(20 * 3600)).isEmpty)
        _ = try table.note(
            read(ends.tcp(fromGuest: true, [.fin, .acknowledgement], 2, 10)), fromGuest: true, at: .seconds(72_001))
        #expect(table.expire(at: .seconds(73_000)).isEmpty)
        _ = try table.note(
            read(ends.tcp(fromGuest: false, [.fin, .acknowledgement], 10, 3)), fromGuest: false, at: .seconds(73_000))
        #expect(table.all.first?.state.reset(flow, forGuest: true) == nil)
        #expect(table.note(begin, fromGuest: false, at: .seconds(73_001)) == .first(flow))
        #expect(table.expire(at: .seconds(73_059)).isEmpty)
        #expect(table.expire(at: .seconds(73_061)).map(\.flow) == [flow] && table.count == 0)
    }

    @Test("datagrams and pings pass with their answers, and errors only about what was sent")
    func datagrams() throws {
        for ends in Self.ends {
            var table = FlowTable<Int>()
            for (bytes, reply) in [
                (ends.udp(fromGuest: true, 5000, 53), ends.udp(fromGuest: false, 53, 5000)),
                (ends.echo(fromGuest: true, isReply: false), ends.echo(fromGuest: false, isReply: true)),
            ] {
                let packet = try read(bytes)
                let flow = try first(table.note(packet, fromGuest: true, at: 0))
                let error = try #require(try answer(.prohibited, bytes))
                #expect(table.note(error, fromGuest: false, at: 0) == .stray)
                table.add(flow, packet, fromGuest: true, 1, at: 0)
                #expect(try table.note(read(reply), fromGuest: false, at: 1) == .known(1))
                #expect(table.note(error, fromGuest: false, at: 1) == .known(1))
                // The guest cannot send an error about its own packet.
                #expect(table.note(error, fromGuest: true, at: 1) == .stray)
            }
            #expect(try table.note(read(ends.echo(fromGuest: true, isReply: true)), fromGuest: true, at: 1) == .stray)
            #expect(table.expire(at: .seconds(100)).map(\.flow.kind) == [.guestEcho])
            #expect(table.expire(at: .seconds(200)).map(\.flow.kind) == [.udp])
        }
    }

    @Test("later parts of a datagram pass after the first, for a while")
    func parts() throws {
        let ends = Self.ends[0]
        func part(_ offset: UInt16, more: Bool) throws -> ForwardedPacket {
            var bytes = ends.udp(fromGuest: true, 1, 2)
            bytes.withUnsafeMutableBytes {
                guard case (.v4(let guest), .v4(let peer)) = (ends.guest, ends.peer) else { return }
                IPv4Header.write(
                    to: FrameBytes($0), at: 0, from: guest, to: peer, protocolNumber: 17, payloadLength: 9,
                    identification: 77, fragmentOffset: Int(offset), moreFragments: more, mayFragment: true)
            }
            return try read(bytes)
        }
        var table = FlowTable<Int>()
        #expect(try table.note(part(8, more: false), fromGuest: true, at: 0) == .stray)
        let begin = try part(0, more: true)
        let flow = try first(table.note(begin, fromGuest: true, at: 0))
        table.add(flow, begin, fromGuest: true, 1, at: 0)
        #expect(try table.note(part(8, more: false), fromGuest: true, at: 1) == .known(1))
        #expect(try table.note(part(8, more: false), fromGuest: true, at: .seconds(31)) == .stray)
    }

    @Test("a refusal is a reset or an error that its receiver believes; nobody answers answers")
    func refusals() throws {
        for ends in Self.ends {
            let reset = try #require(try answer(.reset, ends.tcp(fromGuest: true, .syn, 41)))
            let resetSegment = try segment(reset)
            #expect(reset.source == ends.peer && reset.destination == ends.guest)
            #expect(resetSegment.resets && resetSegment.acknowledgement == 42 && resetSegment.sourcePort == 80)
            let late = try #require(try answer(.reset, ends.tcp(fromGuest: true, .acknowledgement, 41, 99, data: 3)))
            let lateSegment = try segment(late)
            #expect(lateSegment.resets && !lateSegment.acknowledges && lateSegment.sequence == 99)
            let error = try #require(try answer(.hostUnreachable, ends.udp(fromGuest: true, 7, 8)))
            let quoted = ForwardedPacket.Quoted(
                from: Endpoint(ends.guest, 7), to: Endpoint(ends.peer, 8), protocolNumber: 17)
            #expect(error.content == .error(quoted))
            #expect(try answer(.reset, ends.packet(fromGuest: true, 132, [1, 2, 3, 4])) != nil)
            for bytes in [ends.tcp(fromGuest: true, .reset), ends.echo(fromGuest: true, isReply: true)] {
                #expect(try answer(.reset, bytes) == nil)
            }
            #expect(try answer(.silent, ends.udp(fromGuest: true, 7, 8)) == nil)
            for short in [ends.packet(fromGuest: true, 6, [1]), ends.packet(fromGuest: true, 17, [1])] {
                #expect(try read(short).content == .malformed && answer(.reset, short) == nil)
            }
        }
    }

    @Test("what is no packet is none")
    func nothing() {
        for bytes in [[], [0x45], [UInt8](repeating: 0x45, count: 20), [UInt8](repeating: 0x60, count: 40)] as [[UInt8]]
        {
            #expect(bytes.withUnsafeBytes { ForwardedPacket($0) } == nil)
        }
    }
}
