import AgentProtocol
import Glibc
import LinuxSystem
import NIOPosix
import SandboxState
import Testing

@testable import Engine
import FrozenMachine
@testable import Supervisor
@testable import Template

/// An agent that does not keep to the protocol ends its sandbox, which is never announced without its confirmation.
@Suite struct HostileAgentTests {
    /// What an agent says instead of confirming.
    static let nonsense: [(name: String, bytes: [UInt8])] = [
        ("garbage", [UInt8](repeating: 0xff, count: 64)),
        ("another message", encoded(.started(stream: 1, pid: 1))), ("a refusal", encoded(.refused("no entropy"))),
        ("a frame of 4 GiB", [0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 8)),
        ("endless zeros", [UInt8](repeating: 0, count: 8 << 20)),
    ]

    private static func encoded(_ message: GuestMessage) -> [UInt8] { (try? message.frame().encoded) ?? [] }

    @Test("an agent that says something else than that it is configured ends the sandbox", arguments: nonsense)
    func unconfirmed(name: String, bytes: [UInt8]) async throws {
        let sandbox = try TestSandbox()
        let machine = try FakeMachine()
        let speaking = try DedicatedSpeaker(machine.guest, bytes, hangsUp: false)
        let ending = try await run(sandbox, machine)
        guard case .failed(let reason) = ending else { return _ = Issue.record("\(ending)") }
        #expect(reason.contains("protocol") || reason.contains("configured"), "\(reason)")
        #expect(sandbox.directory.currentLife().status == .starting)
        machine.hangUp()
        await speaking.end()
    }

    @Test("an agent that hangs up, also in the midst of a frame, ends the sandbox", arguments: [0, 3, 14])
    func halfFrame(count: Int) async throws {
        let sandbox = try TestSandbox()
        let machine = try FakeMachine()
        let frame = try GuestMessage.refused("a reason").frame().encoded
        let speaking = try DedicatedSpeaker(machine.guest, Array(frame.prefix(count)), hangsUp: true)
        let ending = try await run(sandbox, machine)
        guard case .failed = ending else { return _ = Issue.record("\(ending)") }
        #expect(sandbox.directory.currentLife().status == .starting)
        await speaking.end()
    }

    @Test("a sandbox whose agent says nothing is never announced, and can be ended")
    func silence() async throws {
        let sandbox = try TestSandbox()
        let machine = try FakeMachine()
        let supervisor = supervisor(sandbox)
        let mounts = try mounts(sandbox)
        let life = Task {
            await supervisor.run(
                try machine.started, try ConsoleLog(path: sandbox.directory.console), mounts, restarts: 0)
        }
        await supervisor.session.order(.stop(graceMilliseconds: 60_000, reason: "enough"))
        let ending = try await life.value
        await mounts.end()
        guard case .stopped("enough") = ending else { return _ = Issue.record("it did not stop") }
        #expect(await !supervisor.session.wasReady)
        #expect(sandbox.directory.currentLife().status == .starting)
    }

    private func supervisor(_ sandbox: TestSandbox) -> Supervisor {
        Supervisor(
            sandbox.record, sandbox.directory, in: sandbox.home, on: MultiThreadedEventLoopGroup.singleton)
    }

    private func run(_ sandbox: TestSandbox, _ machine: FakeMachine) async throws -> Supervisor.Ending {
        let mounts = try mounts(sandbox)
        let ending = await supervisor(sandbox).run(
            try machine.started, try ConsoleLog(path: sandbox.directory.console), mounts, restarts: 0)
        await mounts.end()
        return ending
    }

    private func mounts(_ sandbox: TestSandbox) throws -> MountServers {
        try MountServers(sandbox.record, in: sandbox.home, on: MultiThreadedEventLoopGroup.singleton.next())
    }
}

/// A machine that is only its sockets; the test is the guest.
private final class FakeMachine: Machine {
    let description = MachineDescription(
        engine: "fake", accelerator: .emulated, binary: "/none", pid: 0, walls: Walls())
    let agentPort, console, messages: Descriptor
    /// The guest's end of the agent's port.
    let guest: Descriptor
    private let consoleEnd: Descriptor
    private let exit: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

    init() throws {
        (agentPort, guest) = try Descriptor.socketPair()
        (console, consoleEnd) = try Descriptor.socketPair()
        var pipeEnds: [Int32] = [-1, -1]
        guard pipe(&pipeEnds) == 0 else { throw SystemError("pipe") }
        messages = Descriptor(owning: pipeEnds[0])
        close(pipeEnds[1])
        exit = AsyncStream.makeStream()
    }

    var started: Supervisor.StartedMachine {
        get throws {
            let engine = EngineFinder.Engine(
                binary: "/bin/true", firmware: "/bin/true", accelerator: .emulated, kvm: .missing)
            return .init(
                machine: self,
                kind: .init(cpus: 1, fingerprint: try EngineFingerprint(engine), diskIsFresh: false))
        }
    }

    /// Ends the guest's side.
    func hangUp() { shutdown(guest.rawValue, Int32(SHUT_RDWR)) }

    func pause() async throws(EngineError) {}
    func resume() async throws(EngineError) {}
    func freeze(to state: Descriptor) async throws(EngineError) {}
    func capture(
        memory: Descriptor, engine: Descriptor?, over other: FrozenMemory?
    ) async throws(EngineError) -> MachineCapture {
        throw .specification("nothing to capture")
    }
    func stop() async throws(EngineError) { exit.continuation.finish() }
    func kill() { exit.continuation.finish() }

    func waitForExit() async -> MachineExit {
        for await _ in exit.stream {}
        return MachineExit(cause: .signal(SIGKILL), lastMessages: "")
    }
}

/// Writes bytes from a thread that may block.
private struct DedicatedSpeaker {
    private let ended: AsyncStream<Void>

    init(_ socket: Descriptor, _ bytes: [UInt8], hangsUp: Bool) throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        ended = stream
        signal(SIGPIPE, SIG_IGN)
        try DedicatedThread.start {
            try? socket.write(bytes)
            if hangsUp { shutdown(socket.rawValue, Int32(SHUT_RDWR)) }
            continuation.finish()
        }
    }

    func end() async { for await _ in ended {} }
}
