import NetworkAddress
import Testing

@testable import NetworkStack

@Suite("Connections end")
struct EndingTests {
    private let guest = ScriptedGuest()

    @Test("the guest ends first, the gateway later")
    func guestFirst() throws {
        let conversation = try Conversation(guest)
        conversation.send(flags: Flag.ack | Flag.fin)
        #expect(guest.events() == [.finished(conversation.id)])
        _ = conversation.segments()
        conversation.write([1, 2])
        #expect(conversation.segments().map(\.payload) == [[1, 2]], "the other half stays open")
        guest.stack.finish(conversation.id, at: guest.now)
        #expect(conversation.segments().map(\.flags) == [Flag.ack | Flag.fin])
        #expect(conversation.write([3]) == 0)
        conversation.send()
        #expect(guest.events() == [.closed(conversation.id, .closed)])
        #expect(guest.stack.connectionCount == 0 && guest.stack.deadline == nil, "the guest remembers it")
    }

    @Test("the guest's end is acknowledged within two milliseconds, or with the gateway's own")
    func endingTogether() throws {
        for waits in [true, false] {
            let guest = ScriptedGuest()
            let conversation = try Conversation(guest)
            conversation.send(flags: Flag.ack | Flag.fin)
            #expect(guest.segments().isEmpty)
            if waits {
                guest.wait(milliseconds: 2)
                let answers = guest.segments()
                #expect(answers.map(\.flags) == [Flag.ack])
                #expect(answers.map(\.acknowledgement) == [conversation.sequence])
            }
            guest.stack.finish(conversation.id, at: guest.now)
            let answers = guest.segments()
            #expect(answers.map(\.flags) == [Flag.ack | Flag.fin])
            #expect(answers.map(\.acknowledgement) == [conversation.sequence])
        }
    }

    @Test("the gateway ends first, the guest goes on and ends later")
    func gatewayFirst() throws {
        let conversation = try Conversation(guest)
        conversation.write([1])
        guest.stack.finish(conversation.id, at: guest.now)
        _ = conversation.segments()
        conversation.send()
        conversation.send([7, 8])
        #expect(conversation.read() == [7, 8])
        _ = guest.events()
        conversation.send([9], flags: Flag.ack | Flag.fin)
        #expect(guest.events() == [.readable(conversation.id), .finished(conversation.id)])
        #expect(guest.segments().last?.acknowledgement == conversation.sequence)
        #expect(conversation.read() == [9])
        #expect(guest.events() == [.closed(conversation.id, .closed)], "told when all is read")
        // What the guest sends again is acknowledged again for a minute.
        conversation.send([9], flags: Flag.ack | Flag.fin, at: conversation.sequence &- 2)
        #expect(guest.segments().map(\.acknowledgement) == [conversation.sequence])
        guest.wait(milliseconds: 61_000)
        conversation.send([9], flags: Flag.ack | Flag.fin, at: conversation.sequence &- 2)
        #expect(guest.segments().map(\.flags) == [Flag.rst])
    }

    @Test("both end at once")
    func simultaneous() throws {
        let conversation = try Conversation(guest)
        guest.stack.finish(conversation.id, at: guest.now)
        conversation.send(flags: Flag.ack | Flag.fin)
        #expect(guest.events() == [.finished(conversation.id)])
        let sent = conversation.segments()
        #expect(sent.map(\.flags) == [Flag.ack | Flag.fin, Flag.ack])
        conversation.send()
        #expect(guest.events() == [.closed(conversation.id, .closed)])
        #expect(guest.stack.closedConnections.count == 1)
    }

    @Test("an end that is lost is sent again")
    func lostEnd() throws {
        let conversation = try Conversation(guest)
        conversation.write([1])
        guest.stack.finish(conversation.id, at: guest.now)
        #expect(guest.segments().count == 2)
        guest.wait(milliseconds: 250)
        let again = guest.segments()
        #expect(again.first?.payload == [1] && again.first?.flags == Flag.ack | Flag.psh | Flag.fin || again.count == 2)
        conversation.acknowledgement &+= 2
        conversation.send()
        conversation.send(flags: Flag.ack | Flag.fin)
        #expect(guest.events() == [.finished(conversation.id), .closed(conversation.id, .closed)])
    }

    @Test("a connection may begin anew between the ends of one that is past")
    func again() throws {
        let conversation = try Conversation(guest)
        guest.stack.finish(conversation.id, at: guest.now)
        _ = conversation.segments()
        conversation.send(flags: Flag.ack | Flag.fin)
        _ = guest.events()
        _ = guest.packets()
        func ask(_ sequence: UInt32) {
            guest.send(
                protocolNumber: 6,
                GuestFrames.tcp(from: conversation.local, to: conversation.peer, sequence: sequence, flags: Flag.syn))
        }
        ask(conversation.sequence &- 100)
        #expect(guest.events().isEmpty && guest.segments().count == 1, "an old request is none")
        ask(conversation.sequence &+ 100)
        #expect(guest.events().count == 1)
    }

    @Test("past connections are bounded, the oldest is forgotten")
    func pastBounded() throws {
        let guest = ScriptedGuest { $0.limits.closedConnections = 10 }
        for port in 1...100 as ClosedRange<UInt16> {
            let conversation = try Conversation(guest, port: port)
            guest.stack.finish(conversation.id, at: guest.now)
            _ = conversation.segments()
            conversation.send(flags: Flag.ack | Flag.fin)
            _ = guest.events()
            _ = guest.packets()
        }
        #expect(guest.stack.closedConnections.count == 10)
        guest.wait(milliseconds: 61_000)
        #expect(guest.stack.closedConnections.count == 0 && guest.stack.deadline == nil)
    }

    @Test("only the very next number resets; others are asked about")
    func reset() throws {
        let conversation = try Conversation(guest)
        conversation.send([1, 2])
        _ = guest.events()
        conversation.send(flags: Flag.rst, at: conversation.sequence &+ 5)
        #expect(guest.segments().map(\.acknowledgement) == [conversation.sequence])
        conversation.send(flags: Flag.rst, at: conversation.sequence &- 1)
        conversation.send(flags: Flag.rst, at: conversation.sequence &+ 2_000_000)
        #expect(guest.segments().isEmpty && guest.events().isEmpty)
        conversation.send(flags: Flag.syn, at: conversation.sequence &+ 5)
        #expect(guest.segments().count == 1 && guest.events().isEmpty)
        conversation.send(flags: Flag.rst)
        #expect(guest.events().isEmpty, "what came before is read first")
        #expect(conversation.write([1]) == 0)
        #expect(conversation.read() == [1, 2])
        #expect(guest.events() == [.closed(conversation.id, .reset)])
    }

    @Test("a reset is told after ten seconds even when nobody reads what came before")
    func resetUnread() throws {
        let conversation = try Conversation(guest)
        conversation.send([1, 2])
        conversation.send(flags: Flag.rst)
        _ = guest.events()
        guest.wait(milliseconds: 11_000)
        #expect(guest.events() == [.closed(conversation.id, .reset)])
        #expect(guest.stack.bufferBytes == 0 && guest.stack.connectionCount == 0)
    }

    @Test("the gateway resets")
    func abort() throws {
        let conversation = try Conversation(guest)
        conversation.write([1, 2, 3])
        conversation.send([4])
        _ = guest.events()
        _ = conversation.segments()
        guest.stack.abort(conversation.id, at: guest.now)
        let reset = try #require(guest.segments().first)
        #expect(reset.flags == Flag.rst | Flag.ack && reset.sequence == conversation.acknowledgement)
        #expect(guest.events().isEmpty && guest.stack.connectionCount == 0 && guest.stack.bufferBytes == 0)
        #expect(conversation.read().isEmpty && conversation.write([1]) == 0)
        #expect(guest.stack.readableCount(conversation.id) == 0 && guest.stack.writableCount(conversation.id) == 0)
        let next = try Conversation(guest, port: 40001)
        #expect(next.id != conversation.id)
        guest.stack.abort(conversation.id, at: guest.now)
        #expect(guest.stack.connectionCount == 1, "an id is never used twice")
    }

    @Test("acknowledgements of what was never sent change nothing")
    func wrongAcknowledgements() throws {
        let conversation = try Conversation(guest)
        conversation.write([1, 2, 3])
        _ = guest.packets()
        conversation.send([9], at: conversation.sequence, acknowledging: conversation.acknowledgement &+ 1000)
        #expect(guest.segments().count == 1 && guest.events().isEmpty)
        conversation.send([9], at: conversation.sequence, acknowledging: conversation.acknowledgement &- 100_000_000)
        #expect(guest.segments().count == 1 && guest.events().isEmpty)
        conversation.send([9], flags: 0)
        #expect(guest.segments().isEmpty && guest.events().isEmpty, "nothing counts without an acknowledgement")
    }

    @Test("a pause in which nobody drove the stack ends nothing")
    func pause() throws {
        let conversation = try Conversation(guest)
        conversation.write([1])
        _ = conversation.segments()
        let late = guest.now.advanced(by: .seconds(3600))
        guest.stack.advance(to: late)
        #expect(guest.events().isEmpty)
        conversation.send()
        #expect(guest.events().isEmpty && guest.stack.connectionCount == 1)
    }
}
