import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Bytes from the guest")
struct StreamTests {
    private let guest = ScriptedGuest()

    private func bytes(_ count: Int, from first: Int = 0) -> [UInt8] {
        (first..<first + count).map { UInt8(truncatingIfNeeded: $0 / 5 &+ $0) }
    }

    @Test("bytes come as they were sent, told once until something is read")
    func inOrder() throws {
        let conversation = try Conversation(guest)
        conversation.send([1, 2, 3])
        #expect(guest.events() == [.readable(conversation.id)])
        conversation.send([4, 5])
        #expect(guest.events().isEmpty)
        #expect(guest.stack.readableCount(conversation.id) == 5)
        #expect(conversation.read(2) == [1, 2])
        conversation.send([6])
        #expect(guest.events() == [.readable(conversation.id)])
        #expect(conversation.read() == [3, 4, 5, 6])
        #expect(guest.stack.bufferBytes == 0, "nothing is kept for an idle connection")
    }

    @Test("an acknowledgement waits two milliseconds for company, and goes with an answer")
    func delayedAcknowledgement() throws {
        let conversation = try Conversation(guest)
        conversation.send([1])
        #expect(guest.segments().isEmpty)
        guest.wait(milliseconds: 1)
        #expect(guest.segments().isEmpty)
        guest.wait(milliseconds: 1)
        #expect(guest.segments().map(\.acknowledgement) == [conversation.sequence])
        conversation.send([2])
        conversation.write([9])
        let answers = guest.segments()
        #expect(answers.count == 1 && answers[0].payload == [9] && answers[0].acknowledgement == conversation.sequence)
        guest.wait(milliseconds: 100)
        #expect(guest.segments().isEmpty)
    }

    @Test("what was much is acknowledged as it is read, with a wide window")
    func bulk() throws {
        let conversation = try Conversation(guest)
        conversation.send(bytes(60000))
        #expect(conversation.read() == bytes(60000))
        let answer = try #require(guest.segments().first)
        #expect(answer.acknowledgement == conversation.sequence && answer.window << 5 == 1 << 20)
        for _ in 0..<4 { conversation.send(bytes(60000)) }
        #expect(conversation.read().count == 240_000 && guest.segments().isEmpty)
        conversation.send(bytes(60000))
        #expect(conversation.read().count == 60000 && guest.segments().count == 1)
    }

    @Test("bytes out of order are selected at once and delivered in order")
    func outOfOrder() throws {
        let conversation = try Conversation(guest)
        let start = conversation.sequence
        conversation.send(bytes(100, from: 200), at: start &+ 200)
        conversation.send(bytes(100, from: 400), at: start &+ 400)
        conversation.send(bytes(100, from: 300), at: start &+ 300)
        let answers = guest.segments()
        #expect(answers.allSatisfy { $0.acknowledgement == start } && answers.count == 3)
        #expect(answers[0].blocks == [start &+ 200...start &+ 300])
        #expect(answers[1].blocks == [start &+ 400...start &+ 500, start &+ 200...start &+ 300], "the newest first")
        #expect(answers[2].blocks == [start &+ 200...start &+ 500])
        #expect(guest.events().isEmpty)
        conversation.send(bytes(250, from: 0), at: start)
        #expect(guest.segments().map(\.acknowledgement) == [start &+ 500])
        #expect(conversation.read() == bytes(500))
    }

    @Test("without the option nothing is selected")
    func unselected() throws {
        let conversation = try Conversation(guest, options: [])
        conversation.send([1], at: conversation.sequence &+ 10)
        #expect(guest.segments().map(\.options) == [[:]])
    }

    @Test("gaps beyond number are dropped and asked for again")
    func manyGaps() throws {
        let conversation = try Conversation(guest)
        let start = conversation.sequence
        for index in 0..<1000 { conversation.send([1], at: start &+ UInt32(2 * index + 1)) }
        #expect(guest.segments().count == 1000)
        conversation.send(bytes(2000), at: start)
        #expect(conversation.read().count == 2000)
    }

    @Test("overlaps, old bytes and bytes beyond the window are cut off")
    func overlaps() throws {
        let conversation = try Conversation(guest)
        let start = conversation.sequence
        conversation.send(bytes(100), at: start)
        conversation.send(bytes(100), at: start)
        conversation.send(bytes(150, from: 50), at: start &+ 50)
        conversation.send(bytes(40, from: 10), at: start &+ 10)
        #expect(conversation.read() == bytes(200))
        #expect(guest.segments().last?.acknowledgement == start &+ 200)
        // Until something was acknowledged with a wider one, the window ends where that of SYN did.
        let end = start &+ 65535
        conversation.send(bytes(100), at: end &- 50)
        conversation.send(bytes(100), at: end &+ 10)
        conversation.send([1], at: start &- 70000)
        let last = try #require(guest.segments().last)
        #expect(last.acknowledgement == start &+ 200 && last.blocks.count == 1)
    }

    @Test("a window closes when nobody reads, and opens when somebody does")
    func zeroWindow() throws {
        let guest = ScriptedGuest {
            $0.limits.receiveBuffer = 10_000
            $0.limits.sendBuffer = 10_000
        }
        let conversation = try Conversation(guest)
        conversation.send(bytes(10_000))
        guest.wait(milliseconds: 5)
        #expect(guest.segments().last?.window == 0)
        conversation.send([1], at: conversation.sequence)
        let answer = try #require(guest.segments().last)
        #expect(answer.window == 0 && answer.acknowledgement == conversation.sequence)
        #expect(conversation.read(1000).count == 1000 && guest.segments().isEmpty, "too little to be worth a word")
        #expect(conversation.read(2000).count == 2000)
        #expect(guest.segments().last?.window == 3000)
        #expect(conversation.read() == Array(bytes(10_000)[3000...]))
        #expect(guest.segments().last?.window == 10_000)
    }

    @Test("a guest that cannot scale windows gets small ones, without a stall")
    func unscaled() throws {
        let conversation = try Conversation(guest, options: [2, 4, 5, 180])
        var total = 0
        for _ in 0..<100 {
            conversation.send(bytes(30000))
            total += conversation.read().count
            let answers = guest.segments()
            #expect(answers.last?.window == 65535)
        }
        #expect(total == 3_000_000)
    }

    @Test("urgent bytes come in line")
    func urgent() throws {
        let conversation = try Conversation(guest)
        conversation.send([1, 2, 3], flags: Flag.ack | Flag.urg, urgent: 2)
        conversation.send([4], flags: Flag.ack | Flag.urg, urgent: 60000)
        #expect(conversation.read() == [1, 2, 3, 4])
    }

    @Test("segments with timestamps of long ago are dropped, after long silence they are not")
    func oldTimestamps() throws {
        let conversation = try Conversation(guest, options: Conversation.allOptions)
        func stamp(_ value: UInt32) -> [UInt8] { [1, 1, 8, 10] + GuestFrames.long(value) + [0, 0, 0, 0] }
        conversation.send([1], options: stamp(1000))
        guest.wait(milliseconds: 5)
        #expect(guest.segments().last?.options[8]?.suffix(4) == [0, 0, 3, 232])
        conversation.send([2], at: conversation.sequence, options: stamp(999))
        #expect(guest.segments().count == 1 && conversation.read() == [1])
        conversation.send([2], options: stamp(1000))
        #expect(conversation.read() == [2])
        guest.wait(milliseconds: 25 * 24 * 3600 * 1000)
        conversation.send([3], options: stamp(5))
        #expect(conversation.read() == [3])
    }

    @Test("an end comes after what precedes it, early as it may be")
    func end() throws {
        let conversation = try Conversation(guest)
        let start = conversation.sequence
        conversation.send([4, 5], flags: Flag.ack | Flag.fin, at: start &+ 3)
        #expect(guest.events().isEmpty)
        conversation.send([1, 2, 3], at: start)
        #expect(guest.events() == [.readable(conversation.id), .finished(conversation.id)])
        #expect(guest.segments().last?.acknowledgement == start &+ 6)
        #expect(conversation.read() == [1, 2, 3, 4, 5])
        conversation.send([6], at: start &+ 6)
        #expect(guest.stack.readableCount(conversation.id) == 0, "nothing comes after the end")
    }

    @Test("memory of all connections is bounded, and those that found none go on when there is some")
    func memory() throws {
        let guest = ScriptedGuest {
            $0.limits.totalBuffers = 1 << 20
            $0.limits.receiveBuffer = 1 << 18
            $0.limits.sendBuffer = 1 << 18
        }
        let conversations = try (0..<40 as Range<UInt16>).map { try Conversation(guest, port: 2000 + $0) }
        for conversation in conversations { conversation.send(bytes(60_000)) }
        #expect(guest.stack.bufferBytes <= 1 << 20)
        _ = guest.events()
        let starving = conversations[39]
        var written = 0
        while starving.write(bytes(10_000)) > 0 { written += 1 }
        #expect(guest.stack.writableCount(starving.id) == 0)
        for conversation in conversations { _ = conversation.read() }
        #expect(guest.events().contains(.writable(starving.id)))
        #expect(guest.stack.writableCount(starving.id) > 0)
    }
}
