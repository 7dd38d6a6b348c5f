import LinuxSystem
import NetworkAddress
import NetworkPolicy
import SandboxState
import Synchronization

/// The network of one sandbox: every frame of the guest's comes here, is judged, carried out by an ordinary socket of this
/// process or refused, and recorded. It needs no rights on the host.
///
/// A thread of its own does the work; what is asked of it from elsewhere is a command that it obeys between two turns.
public final class Gateway: Sendable {
    private let commands: CommandQueue
    private let end = Mutex<(isOver: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    /// Begins to serve a guest.
    /// - Parameters:
    ///   - link: the other end of its network device: a connected stream socket, on which each Ethernet frame comes after
    ///     its length in 4 bytes, big-endian.
    ///   - tell: hears of what was refused, on the gateway's thread, and must not block.
    /// - Throws: ``GatewayError`` when a port cannot be listened on, and nothing is left then.
    public static func start(
        _ link: Descriptor, _ configuration: GatewayConfiguration, tell: @escaping @Sendable (NetworkEvent) -> Void
    ) async throws -> Gateway {
        let gateway: Gateway
        do throws(SystemError) { gateway = Gateway(try CommandQueue()) } catch { throw GatewayError.start(error) }
        try await withCheckedThrowingContinuation { (started: CheckedContinuation<Void, any Error>) in
            do throws(SystemError) {
                try DedicatedThread.start { gateway.run(link, configuration, tell, started) }
            } catch {
                started.resume(throwing: GatewayError.start(error))
            }
        }
        return gateway
    }

    private init(_ commands: CommandQueue) { self.commands = commands }

    private func run(
        _ link: Descriptor, _ configuration: GatewayConfiguration, _ tell: @escaping @Sendable (NetworkEvent) -> Void,
        _ started: CheckedContinuation<Void, any Error>
    ) {
        do {
            let loop = try GatewayLoop(link, configuration, commands, tell)
            for port in configuration.ports { try loop.publish(port) }
            started.resume()
            loop.run()
            loop.finish()
        } catch {
            started.resume(throwing: (error as? SystemError).map(GatewayError.start) ?? error)
        }
        // Whoever asked something of a gateway that has ended hears so.
        abandoned()
    }

    private func abandoned() {
        let rest = commands.finish()
        // Each command holds the continuation of whoever waits; they are told by ``ask(_:)``.
        withExtendedLifetime(rest) {}
        let waiting = end.withLock { end in
            end.isOver = true
            defer { end.waiting = [] }
            return end.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Ends it: all connections are reset, and nothing listens any more; but while it is held, the sockets of published ports
    /// go to the configuration's ``SleepingPorts``. Returns when that is done.
    public func stop() async {
        _ = commands.add { $0.end() }
        await withCheckedContinuation { continuation in
            let isOver = end.withLock { end in
                if !end.isOver { end.waiting.append(continuation) }
                return end.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// Asks something of the thread.
    private func ask<Result: Sendable>(
        _ body: @escaping @Sendable (GatewayLoop, Answer<Result>) -> Void
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let answer = Answer(continuation)
            if !commands.add({ body($0, answer) }) { answer.give(.failure(GatewayError.ended)) }
        }
    }

    // MARK: Changes

    /// Puts another policy in force, for connections that there are too.
    /// - Throws: ``GatewayError/ended``.
    public func apply(_ policy: NetworkPolicy) async throws {
        try await ask { loop, answer in
            loop.judge.policy = policy
            loop.judgeAgain()
            answer.give(.success(()))
        }
    }

    /// Listens at a port of the host.
    /// - Returns: the port, with its number where the host has chosen it.
    /// - Throws: ``GatewayError``.
    public func publish(_ port: PublishedPort) async throws -> PublishedPort {
        try await ask { loop, answer in answer.give(Result { try loop.publish(port) }) }
    }

    /// Listens at a port no more; connections go on.
    /// - Throws: ``GatewayError``.
    public func withdraw(_ port: PublishedPort) async throws {
        try await ask { loop, answer in answer.give(Result { try loop.withdraw(port) }) }
    }

    /// The ports that it listens at, sorted by their text.
    /// - Throws: ``GatewayError/ended``.
    public func ports() async throws -> [PublishedPort] {
        try await ask { loop, answer in
            answer.give(.success(loop.ports.values.map(\.port).sorted { "\($0)" < "\($1)" }))
        }
    }

    /// Lets those in who have waited at published ports.
    public func admitCallers() async { try? await ask { loop, answer in answer.give(.success(loop.admitCallers())) } }

    // MARK: While the machine is frozen

    /// Sends nothing more to the guest, and returns when its engine has taken all that was sent. Time stands in the stack
    /// until ``release()``.
    /// - Throws: ``GatewayError``; it goes on as before then.
    public func hold() async throws {
        let isTaken = try await ask { loop, answer in loop.hold { answer.give(.success($0)) } }
        guard !isTaken else { return }
        await release()
        throw GatewayError.notTaken
    }

    /// Returns when the engine, whose machine stands, has said all that it had begun to say.
    /// - Throws: ``GatewayError``.
    public func settle() async throws {
        guard try await ask({ loop, answer in loop.settle { answer.give(.success($0)) } }) else {
            throw GatewayError.notTaken
        }
    }

    /// Goes on.
    public func release() async { try? await ask { loop, answer in answer.give(.success(loop.release())) } }
}

/// Somebody who waits for an answer of the gateway's thread. Who gets none hears that the gateway has ended.
private final class Answer<Value: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<Value, any Error>?>

    init(_ continuation: CheckedContinuation<Value, any Error>) { self.continuation = Mutex(continuation) }

    deinit { give(.failure(GatewayError.ended)) }

    func give(_ result: Result<Value, any Error>) {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(with: result)
    }
}

/// What can go wrong with a gateway.
public enum GatewayError: Error, CustomStringConvertible, Sendable {
    /// It could not begin.
    case start(SystemError)
    /// It cannot listen at a port.
    case port(PublishedPort, SystemError)
    /// It listens at this port already.
    case published(PublishedPort)
    /// It does not listen at this port.
    case notPublished(PublishedPort)
    /// The engine does not take what was sent to its guest, or has not ended what it had begun to send.
    case notTaken
    /// It has ended.
    case ended

    /// One line for a person.
    public var description: String {
        switch self {
        case .start(let error): "the network cannot be started: \(error)"
        case .port(let port, let error):
            "the port \(port) cannot be published: \(error); choose another port of the host"
        case .published(let port): "the port \(port) is published already"
        case .notPublished(let port): "the port \(port) is not published"
        case .notTaken: "the sandbox's network device does not come to rest; try again"
        case .ended: "the sandbox's network has ended"
        }
    }
}
