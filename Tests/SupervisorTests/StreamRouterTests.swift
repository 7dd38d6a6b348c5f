import AgentProtocol
import Testing

@testable import Supervisor

@Suite struct StreamRouterTests {
    private var router = StreamRouter()

    private mutating func started(client: Int = 0, stream: UInt32 = 1) throws -> UInt32 {
        let start = HostMessage.start(stream: stream, ProcessSpecification(arguments: ["true"]))
        guard case .toAgent(let frame) = try router.receive(start.frame(), from: client).first else {
            throw ProtocolError.truncated
        }
        _ = try router.receive(GuestMessage.started(stream: frame.stream, pid: 2).frame())
        return frame.stream
    }

    private func output(_ stream: UInt32, _ count: Int) throws -> Frame {
        try GuestMessage.data(stream: stream, .output, [UInt8](repeating: 0, count: count)).frame()
    }

    @Test("two clients may use the same number, and each gets its own output")
    mutating func twoClients() throws {
        let one = try started(client: 1)
        let two = try started(client: 2)
        #expect(one != two)
        #expect(try router.receive(output(two, 3)) == [.toClient(2, output(1, 3))])
        #expect(try router.receive(output(one, 4)) == [.toClient(1, output(1, 4))])
    }

    @Test("a guest that sends more than its credit is told off")
    mutating func overdrawn() throws {
        let stream = try started()
        for _ in 0..<Int(FlowWindow.initial) / FrameHeader.maximumData {
            _ = try router.receive(output(stream, FrameHeader.maximumData))
        }
        #expect(throws: ProtocolError.badField("credit")) { try router.receive(output(stream, 1)) }
        let credit = try HostMessage.credit(stream: 1, .output, 1).frame()
        _ = try router.receive(credit, from: 0)
        _ = try router.receive(output(stream, 1))
    }

    @Test("a client cannot give credit for what it never received")
    mutating func falseCredit() throws {
        _ = try started()
        let credit = try HostMessage.credit(stream: 1, .error, 1).frame()
        #expect(throws: ProtocolError.badField("credit")) { try router.receive(credit, from: 0) }
    }

    @Test("a guest that gives credit for input it never got is told off")
    mutating func falseInputCredit() throws {
        let stream = try started()
        let credit = try GuestMessage.credit(stream: stream, 1).frame()
        #expect(throws: ProtocolError.badField("credit")) { try router.receive(credit) }
    }

    @Test(
        "a guest that speaks out of turn is told off",
        arguments: [
            GuestMessage.ready(version: 1),
            .configured(
                Confirmation(
                    hostName: "a", machineID: "b", bootID: "c", mac: [2, 0, 0, 0, 0, 1], wallClock: 1, addresses: [])),
            .refused("no"), .stopped, .started(stream: 1, pid: 3),
            .failed(stream: 1, StartFailure(.notFound, "no")), .data(stream: 1, .output, []), .end(stream: 2, .output),
            .exited(stream: 9, ExitStatus(.code(0))), .credit(stream: 1, 0),
        ])
    mutating func outOfTurn(_ message: GuestMessage) throws {
        _ = try started()
        #expect(throws: ProtocolError.self) { try router.receive(message.frame()) }
    }

    @Test("output after the end of its channel is told off")
    mutating func afterEnd() throws {
        let stream = try started()
        _ = try router.receive(GuestMessage.end(stream: stream, .output).frame())
        #expect(throws: ProtocolError.badField("credit")) { try router.receive(output(stream, 1)) }
        #expect(throws: ProtocolError.self) { try router.receive(GuestMessage.end(stream: stream, .output).frame()) }
    }

    @Test("the processes of a client that goes away are killed, and their output is taken and dropped")
    mutating func disconnect() throws {
        let stream = try started()
        #expect(router.disconnect(0) == [.toAgent(try HostMessage.signal(stream: stream, 9).frame())])
        #expect(
            try router.receive(output(stream, 7)) == [.toAgent(HostMessage.credit(stream: stream, .output, 7).frame())])
        #expect(try router.receive(GuestMessage.exited(stream: stream, ExitStatus(.signal(9))).frame()).isEmpty)
        #expect(router.isIdle)
    }

    @Test("a number can be used again when its process has ended, and late frames for it are dropped")
    mutating func reuse() throws {
        let stream = try started()
        _ = try router.receive(GuestMessage.exited(stream: stream, ExitStatus(.code(0))).frame())
        #expect(try router.receive(HostMessage.end(stream: 1).frame(), from: 0).isEmpty)
        _ = try started()
    }

    @Test("a client cannot configure or shut down the machine")
    mutating func notForClients() throws {
        #expect(throws: ProtocolError.unexpected(.shutdown)) {
            try router.receive(HostMessage.shutdown(graceMilliseconds: 0).frame(), from: 0)
        }
    }

    @Test("random frames from the guest never trap")
    mutating func random() throws {
        let stream = try started()
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            guard let kind = FrameKind.allCases.randomElement(using: &generator),
                let channel = Channel(rawValue: .random(in: 0...2, using: &generator))
            else { continue }
            let payload = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let frame = Frame(
                kind, channel: channel, stream: .random(in: 0...2, using: &generator) * stream, payload: payload)
            _ = try? router.receive(frame)
            _ = try? router.receive(frame, from: 0)
        }
    }
}
