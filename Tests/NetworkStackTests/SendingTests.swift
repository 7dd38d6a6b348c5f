import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Bytes to the guest")
struct SendingTests {
    private let guest = ScriptedGuest()

    private func bytes(_ count: Int, from first: Int = 0) -> [UInt8] {
        (first..<first + count).map { UInt8(truncatingIfNeeded: $0 / 5 &+ $0) }
    }

    @Test("bytes go at once, in segments as long as the guest takes, the last one pushed")
    func segments() throws {
        let conversation = try Conversation(guest)
        #expect(conversation.write(bytes(4000)) == 4000)
        let segments = conversation.segments()
        #expect(segments.map(\.payload.count) == [1460, 1460, 1080])
        #expect(segments.flatMap(\.payload) == bytes(4000))
        #expect(segments.map { $0.flags & Flag.psh != 0 } == [false, false, true])
        conversation.send()
        #expect(guest.stack.bufferBytes == 0)
    }

    @Test("segments are as long as frames can be when the guest takes them", arguments: [4, 6])
    func largest(version: Int) throws {
        let conversation = try Conversation(
            guest, options: [2, 4, 255, 255, 1, 3, 3, 7], version: version)
        #expect(conversation.write(bytes(70_000)) == 70_000)
        #expect(conversation.segments().first?.payload.count == 65520 - (version == 4 ? 40 : 60))
    }

    @Test("one that fills its memory again and again is sent in full segments, and nothing waits long")
    func pieces() throws {
        let conversation = try Conversation(guest, options: [2, 4, 255, 255, 1, 3, 3, 7])
        func fill() { _ = guest.stack.write(conversation.id, at: guest.now) { $0.count } }
        _ = guest.stack.write(conversation.id, at: guest.now) { min($0.count, 30_000) }
        #expect(conversation.segments().map(\.payload.count) == [30_000])
        fill()
        #expect(conversation.segments().isEmpty, "its successor is waited for")
        guest.wait(milliseconds: 2)
        #expect(conversation.segments().map(\.payload.count) == [65536 - 30_000])
        _ = guest.stack.write(conversation.id, at: guest.now) { min($0.count, 10) }
        #expect(conversation.segments().map(\.payload.count) == [10], "one that does not fill it is done")
    }

    @Test("the guest's window is kept to, and asked for while it is closed")
    func window() throws {
        let conversation = try Conversation(guest, window: 10)
        #expect(conversation.write(bytes(5000)) == 5000)
        var sent = conversation.segments()
        #expect(sent.map(\.payload.count) == [1280], "10 scaled by 2^7")
        conversation.send(window: 0)
        #expect(conversation.segments().isEmpty)
        var probeCount = 0
        for _ in 0..<1000 {
            guest.wait(milliseconds: 1000)
            let probes = conversation.segments()
            #expect(
                probes.allSatisfy { $0.payload.isEmpty && $0.sequence == conversation.acknowledgement &- 1 })
            probeCount += probes.count
            if !probes.isEmpty { conversation.send(window: 0) }
        }
        #expect((15...40).contains(probeCount))
        #expect(guest.events().isEmpty, "a guest that answers is waited for")
        conversation.send(window: 1000)
        sent = conversation.segments()
        #expect(sent.map(\.payload.count) == [1460, 1460, 800])
    }

    @Test("a closed window of a guest that is gone ends the connection")
    func goneBehindWindow() throws {
        let conversation = try Conversation(guest, window: 0)
        conversation.write([1])
        guest.wait(milliseconds: 300_000)
        #expect(guest.events() == [.closed(conversation.id, .timedOut)])
        #expect(guest.stack.bufferBytes == 0 && guest.stack.deadline == nil)
    }

    @Test("silly windows are not used, unless nothing else comes")
    func sillyWindow() throws {
        let conversation = try Conversation(guest, options: [2, 4, 5, 180], window: 4000)
        conversation.write(bytes(9000))
        #expect(conversation.segments().map(\.payload.count) == [1460, 1460], "1080 more are not worth it")
        conversation.send(window: 100)
        #expect(conversation.segments().isEmpty)
        guest.wait(milliseconds: 250)
        #expect(conversation.segments().map(\.payload.count) == [100])
    }

    @Test("what is not acknowledged is sent again, with more and more patience, and then given up")
    func retransmission() throws {
        let conversation = try Conversation(guest)
        conversation.write([1, 2, 3])
        #expect(guest.segments().count == 1)
        var times: [UInt64] = []
        let begun = guest.now
        while guest.stack.connectionCount > 0, let deadline = guest.stack.deadline {
            guest.wait(milliseconds: max(1, deadline.nanoseconds(since: guest.now) / 1_000_000))
            for segment in guest.segments() where segment.payload == [1, 2, 3] {
                times.append(guest.now.nanoseconds(since: begun) / 1_000_000)
            }
        }
        #expect(times.prefix(6) == [200, 600, 1400, 3000, 6200, 12600])
        #expect(guest.events() == [.closed(conversation.id, .timedOut)])
        #expect(guest.now.nanoseconds(since: begun) >= .seconds(120))
    }

    @Test("while some is sent again, acknowledgements alone stand behind all that was sent")
    func bareAcknowledgements() throws {
        let conversation = try Conversation(guest)
        conversation.write(bytes(5000))
        let end = conversation.segments().last?.end
        guest.wait(milliseconds: 250)
        #expect(guest.segments().count == 1)
        // The guest has all of it and would drop an acknowledgement that stands before that.
        conversation.send([1], acknowledging: conversation.acknowledgement &- 5000)
        guest.wait(milliseconds: 5)
        #expect(guest.segments().map(\.sequence) == [end])
    }

    @Test("a repeated acknowledgement makes the first segment go again at once")
    func fastRetransmit() throws {
        let conversation = try Conversation(guest, options: [2, 4, 5, 180, 1, 3, 3, 7])
        conversation.write(bytes(14600))
        let sent = guest.segments()
        #expect(sent.count == 10)
        for _ in 0..<2 { conversation.send() }
        #expect(guest.segments().isEmpty)
        conversation.send()
        let again = guest.segments()
        #expect(again.map(\.sequence) == [sent[0].sequence] && again[0].payload == sent[0].payload)
        // A part of the rest is acknowledged: the next hole goes (RFC 6582).
        conversation.send(acknowledging: sent[4].sequence)
        #expect(guest.segments().map(\.sequence) == [sent[4].sequence])
        conversation.send(acknowledging: sent[9].end)
        #expect(guest.segments().isEmpty && guest.stack.bufferBytes == 0)
    }

    @Test("of selected bytes only the holes between them go again")
    func selective() throws {
        let conversation = try Conversation(guest)
        conversation.write(bytes(14600))
        let sent = guest.segments()
        func block(_ first: Int, _ last: Int) -> [UInt8] {
            GuestFrames.long(sent[first].sequence) + GuestFrames.long(sent[last].end)
        }
        conversation.send(options: [1, 1, 5, 10] + block(1, 3))
        conversation.send(options: [1, 1, 5, 18] + block(5, 6) + block(1, 3))
        conversation.send(options: [1, 1, 5, 18] + block(5, 8) + block(1, 3))
        #expect(guest.segments().map(\.sequence) == [sent[0].sequence, sent[4].sequence])
        conversation.send(
            options: [1, 1, 5, 10] + GuestFrames.long(sent[0].sequence &- 5000) + GuestFrames.long(sent[9].end &+ 9000))
        conversation.send(acknowledging: sent[8].end)
        guest.wait(milliseconds: 1000)
        #expect(guest.segments().first?.sequence == sent[9].sequence)
    }

    @Test("room is told after there was none")
    func writable() throws {
        let conversation = try Conversation(guest)
        var written = 0
        while case let count = conversation.write(bytes(100_000)), count > 0 { written += count }
        #expect(written > (1 << 20) / 8 * 7 && written <= 1 << 20)
        #expect(guest.stack.writableCount(conversation.id) == 0 && guest.events().isEmpty)
        for _ in 0..<100 where guest.stack.writableCount(conversation.id) == 0 {
            _ = conversation.segments()
            conversation.send()
        }
        #expect(guest.events() == [.writable(conversation.id)])
        #expect(guest.stack.writableCount(conversation.id) >= 1 << 18)
    }

    @Test("a full link stops nothing for good, and all connections get their turn")
    func fullLink() throws {
        let conversations = try (0..<5 as Range<UInt16>).map { try Conversation(guest, port: 3000 + $0) }
        guest.log.capacity = 4000
        for conversation in conversations { #expect(conversation.write(bytes(30_000)) == 30_000) }
        var received: [UInt16: [UInt8]] = [:]
        var firstRounds: Set<UInt16> = []
        var rounds = 0
        while rounds < 1000, guest.log.wasFull || !guest.log.frames.isEmpty {
            let wasFull = guest.log.wasFull
            for segment in guest.segments() {
                received[segment.to.port, default: []] += segment.payload
                if rounds < 15 { firstRounds.insert(segment.to.port) }
            }
            if wasFull { guest.stack.outputReady(at: guest.now) }
            rounds += 1
        }
        #expect(received.count == 5 && received.values.allSatisfy { $0 == bytes(30_000) })
        #expect(firstRounds.count == 5)
    }

    @Test("a guest that is silent for long is asked, and given up when it does not answer")
    func keepAlive() throws {
        let conversation = try Conversation(guest)
        guest.stack.setKeepAlive(conversation.id, idle: .seconds(60), interval: .seconds(10), count: 3, at: guest.now)
        guest.wait(milliseconds: 59_000)
        #expect(guest.segments().isEmpty)
        guest.wait(milliseconds: 2000)
        #expect(guest.segments().map(\.sequence) == [conversation.acknowledgement &- 1])
        conversation.send()
        guest.wait(milliseconds: 59_000)
        #expect(guest.segments().isEmpty)
        guest.wait(milliseconds: 32_000)
        let last = guest.segments()
        #expect(last.count == 4 && last[3].flags & Flag.rst != 0)
        #expect(guest.events() == [.closed(conversation.id, .timedOut)])
        #expect(guest.stack.deadline == nil)
    }

    @Test("ten thousand idle connections take no buffers, and none of time")
    func idle() throws {
        let guest = ScriptedGuest()
        var last: Conversation?
        for port in 1...10_000 as ClosedRange<UInt16> {
            let conversation = try Conversation(guest, port: port)
            conversation.send([1])
            _ = conversation.read()
            conversation.write([2])
            _ = conversation.segments()
            conversation.send()
            _ = guest.events()
            last = conversation
        }
        guest.wait(milliseconds: 1000)
        #expect(guest.stack.connectionCount == 10_000 && guest.stack.bufferBytes == 0 && guest.stack.deadline == nil)
        _ = guest.packets()
        last?.write([3])
        #expect(guest.segments().map(\.payload) == [[3]])
    }
}
