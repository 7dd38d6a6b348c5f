import AgentProtocol
import Control
import Engine
import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState

/// The life of one sandbox, from its record to the removal of its files.
///
/// A tree of tasks: reading and writing the client's socket, the machine with its console and agent. The first that ends
/// ends the rest: a client that goes away, a guest that breaks the protocol, an engine that dies.
public struct Supervisor: Sendable {
    /// Longest time from the start of the engine to the agent's confirmation, in seconds. Generous: an emulated machine on
    /// a busy host takes many times the usual second.
    static let bootLimit = 120

    let record: SandboxRecord
    let directory: SandboxDirectory
    let home: Home
    let group: any EventLoopGroup
    let session = Session()

    /// Supervises the sandbox of `record`.
    public init(_ record: SandboxRecord, _ directory: SandboxDirectory, in home: Home, on group: any EventLoopGroup) {
        self.record = record
        self.directory = directory
        self.home = home
        self.group = group
    }

    /// Runs the sandbox until its client goes away or the machine ends. The files are the caller's to remove.
    /// - Parameter control: the client, a connected stream socket.
    public func run(client control: Descriptor) async {
        do {
            let channel = try await FrameChannel.frames(control, on: group)
            try await channel.executeThenClose { inbound, outbound in
                let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
                await session.connect(0, queue)
                await withTaskGroup(of: Void.self) { writing in
                    writing.addTask {
                        for await frame in frames {
                            do { try await outbound.write(frame) } catch { return }
                        }
                    }
                    await session.end(await live(reading: inbound))
                    // The last words to the client must not wait for one that does not read.
                    writing.addTask { try? await Task.sleep(for: .seconds(2)) }
                    await writing.next()
                    writing.cancelAll()
                }
            }
        } catch {
            // The client's socket failed: there is nobody to tell.
        }
    }

    /// Lives until the first reason to end, and returns it; `nil` when the client has gone.
    private func live(reading client: NIOAsyncChannelInboundStream<Frame>) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                do {
                    for try await frame in client { try await session.receive(frame, from: 0) }
                } catch {}
                return nil
            }
            group.addTask {
                do { try await runMachine() } catch is CancellationError { return nil } catch { return "\(error)" }
                return "the machine ended"
            }
            let reason = await group.next() ?? nil
            group.cancelAll()
            return reason
        }
    }

    private func runMachine() async throws {
        await mark("supervisor started")
        let console = try ConsoleLog(path: directory.console)
        let machine = try await startMachine()
        await mark("engine started")
        // Whatever ends the tasks below ends the machine first, since one of them waits for it.
        try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                // The end of the console is not the end of the machine: waitForExit tells that, and how.
                tasks.addTask { try? await console.follow(.bytes(machine.console, on: group)) }
                tasks.addTask { try? await console.follow(.pipe(machine.messages, on: group)) }
                tasks.addTask { try await serveAgent(machine.agentPort, console) }
                tasks.addTask {
                    try await Task.sleep(for: .seconds(Self.bootLimit))
                    guard await session.isActive else {
                        throw SupervisorError.notReady(seconds: Self.bootLimit, console: await console.tail())
                    }
                }
                tasks.addTask {
                    let exit = await machine.waitForExit()
                    throw SupervisorError.machineEnded(exit, console: await console.tail())
                }
                defer { machine.kill() }
                for try await _ in tasks {}
            }
        } onCancel: {
            machine.kill()
        }
    }

    // MARK: The agent

    private func serveAgent(_ port: Descriptor, _ console: ConsoleLog) async throws {
        let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
        try await FrameChannel.frames(port, on: group).executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    for await frame in frames { try await outbound.write(frame) }
                }
                tasks.addTask {
                    do {
                        var received = inbound.makeAsyncIterator()
                        try await configure(&received, outbound, console)
                        await mark("configured")
                        try await session.activate(queue)
                        while let frame = try await received.next() { try await session.receive(frame) }
                        try await agentGone(console)
                    } catch let error as ProtocolError {
                        throw SupervisorError.agentProtocol(error, console: await console.tail())
                    }
                }
                defer { tasks.cancelAll() }
                try await tasks.next()
            }
        }
    }

    /// Turns the booted machine into this sandbox. Fails closed: without the agent's confirmation it throws.
    private func configure(
        _ received: inout NIOAsyncChannelInboundStream<Frame>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<Frame>, _ console: ConsoleLog
    ) async throws {
        let identity = identity()
        try await outbound.write(try HostMessage.configure(identity).frame())
        guard let answer = try await received.next() else { return try await agentGone(console) }
        switch try GuestMessage(answer) {
        case .configured(let confirmation):
            if let lacking = confirmation.confirms(identity) { throw SupervisorError.refused(lacking) }
            // The machine's clock stood while it configured itself.
            try await outbound.write(try HostMessage.setClock(HostClock.wall).frame())
        case .refused(let reason): throw SupervisorError.refused(reason)
        default: throw ProtocolError.unexpected(answer.kind)
        }
    }

    /// The agent's channel has ended: mostly because the engine did, and then its exit is the better reason.
    private func agentGone(_ console: ConsoleLog) async throws {
        try await Task.sleep(for: .seconds(1))
        throw SupervisorError.agentGone(console: await console.tail())
    }

    private func identity() -> MachineConfiguration {
        var generator = SystemRandomNumberGenerator()
        let random = (0..<64).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let digits = Array("0123456789abcdef")
        let machineID = String((0..<32).compactMap { _ in digits.randomElement(using: &generator) })
        return MachineConfiguration(
            entropy: random, wallClock: HostClock.wall, hostName: String(record.id.prefix(12)), machineID: machineID,
            mac: [0x02] + (0..<5).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    func mark(_ stage: String) async {
        await session.tell(.timing(stage: stage, nanoseconds: HostClock.monotonic))
    }
}
