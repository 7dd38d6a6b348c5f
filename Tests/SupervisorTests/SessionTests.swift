import AgentProtocol
import Control
import Glibc
import LinuxSystem
import SandboxState
import Testing

@testable import Supervisor

/// What clients and agent say to each other through a session.
@Suite final class SessionTests {
    private let sandbox: TestSandbox
    private let session: Session
    private let agent: AsyncStream<Frame>
    private let agentQueue: Session.Queue

    init() throws {
        sandbox = try TestSandbox()
        session = Session(sandbox.directory)
        (agent, agentQueue) = AsyncStream.makeStream()
    }

    private struct Client {
        let id: Int
        var frames: AsyncStream<Frame>.AsyncIterator

        /// The next message of the supervisor.
        mutating func next() async throws -> SupervisorMessage? {
            try await frames.next().map { try SupervisorMessage($0) }
        }
    }

    private func connect() async throws -> Client {
        let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
        return Client(id: try #require(await session.connect(queue)), frames: frames.makeAsyncIterator())
    }

    private func request(_ request: ControlRequest, _ client: Client, number: UInt32 = 1) async throws {
        try await session.receive(ClientMessage.request(number, request).frame(), from: client.id)
    }

    private func start(_ client: Client) async throws {
        let start = HostMessage.start(stream: 5, ProcessSpecification(arguments: ["sleep"]))
        try await session.receive(start.frame(), from: client.id)
    }

    @Test("what a client sends before the machine is ready is delivered then, unless it has gone")
    func early() async throws {
        let gone = try await connect()
        for _ in 0..<3 {
            let payload = [UInt8](repeating: 0, count: FrameHeader.maximumPayload / 2)
            try await session.receive(Frame(.start, stream: 9, payload: payload), from: gone.id)
        }
        await session.disconnect(gone.id)
        var client = try await connect()
        // Its share is not what another one used up.
        let arguments = [String](repeating: String(repeating: "x", count: 100_000), count: 9)
        let long = HostMessage.start(stream: 5, ProcessSpecification(arguments: arguments))
        try await session.receive(long.frame(), from: client.id)
        await session.activate(agentQueue, main: nil)
        #expect(try await client.next() == .ready)
        var sent = agent.makeAsyncIterator()
        #expect(await sent.next()?.kind == .start)
    }

    @Test("that the sandbox is to end is not forgotten between two machines")
    func demand() async throws {
        let client = try await connect()
        await session.activate(agentQueue, main: nil)
        await session.machineEnded()
        try await request(.stop(graceMilliseconds: 7), client)
        await session.machineEnded()
        var orders = await session.orders.makeAsyncIterator()
        guard case .stop(graceMilliseconds: 7, reason: nil) = await orders.next() else {
            return _ = Issue.record("there is no order")
        }
    }

    @Test("a client hears that its process went with the machine when another machine follows")
    func restart() async throws {
        var client = try await connect()
        await session.activate(agentQueue, main: nil)
        #expect(try await client.next() == .ready)
        try await start(client)
        await session.machineEnded()
        await session.dropProcesses("the reason")
        guard case .process(.failed(5, let failure)) = try await client.next() else {
            return _ = Issue.record("nothing is said")
        }
        #expect(failure.detail.contains("the reason"))
    }

    @Test("an answer that fits no message is told as that")
    func longAnswer() async throws {
        var client = try await connect()
        await session.activate(agentQueue, main: nil)
        #expect(try await client.next() == .ready)
        let job = JobSpecification(arguments: [String(repeating: "x", count: 120_000)])
        for number in 1...10 {
            try await request(.startJob(job), client, number: UInt32(number))
            try await session.receive(GuestMessage.started(stream: UInt32(number), pid: 7).frame())
            _ = try await client.next()
        }
        try await request(.jobs, client, number: 99)
        guard case .reply(99, .failed) = try await client.next() else { return _ = Issue.record("there is no answer") }
    }

    @Test("a client that breaks the protocol is told off, and others are served")
    func brokenClient() async throws {
        let broken = try await connect()
        await session.activate(agentQueue, main: nil)
        for frame in [
            Frame(.request, stream: 1, payload: [0x7b]), Frame(.request, stream: 0, payload: []),
            Frame(.attach, stream: 1, payload: [1]), Frame(.shutdown), Frame(.sandboxReady),
            Frame(.start, payload: [1]),
        ] {
            await #expect(throws: ProtocolError.self) { try await self.session.receive(frame, from: broken.id) }
        }
        await session.disconnect(broken.id)
        var client = try await connect()
        #expect(try await client.next() == .ready)
    }

    @Test("a guest that measures, stops or configures without being asked is told off")
    func outOfTurn() async throws {
        await session.activate(agentQueue, main: nil)
        for message in [GuestMessage.stopped, .refused("no"), .ready(version: 1), .measured(GuestMeasures())] {
            await #expect(throws: ProtocolError.self) { try await self.session.receive(message.frame()) }
        }
    }
}

/// The files of a sandbox in a home of its own.
final class TestSandbox: Sendable {
    let home = Home(path: "/tmp/sandpiper-session-\(getpid())-\(UInt32.random(in: .min ... .max))")
    let record: SandboxRecord
    let directory: SandboxDirectory
    private let lock: FileLock

    init() throws {
        record = SandboxRecord(
            id: SandboxID(), image: "busybox", imageDigest: "sha256:0", limits: SandboxLimits(), kernel: "/k",
            initramfs: "/i", created: 0)
        lock = try SandboxDirectory.create(record, in: home)
        directory = try SandboxDirectory.find(record.id, in: home)
    }

    deinit { try? FileTree.removeTree(home.path) }
}
