import AgentProtocol
import Control
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState
import Synchronization

/// A connection to the supervisor of one sandbox, over which all its processes and requests travel. It hangs up when the
/// last who uses it is gone.
final class Connection: Sendable {
    /// What is sent and not yet taken by the kernel is bounded by the flow control of stdin.
    private let channel: any NIOCore.Channel
    private let dispatcher: Dispatcher

    /// Speaks over a connected stream socket.
    static func open(_ socket: Descriptor, to directory: SandboxDirectory) async throws -> Connection {
        let dispatcher = Dispatcher(directory)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.maxMessagesPerRead, value: 16)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16_384, maximum: 262_144)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameReceiver(dispatcher))
                }
            }
            // NIO closes the descriptor it is given, also when adopting fails.
            .withConnectedSocket(try socket.duplicateForTransfer()).get()
        return Connection(channel, dispatcher)
    }

    private init(_ channel: any NIOCore.Channel, _ dispatcher: Dispatcher) {
        self.channel = channel
        self.dispatcher = dispatcher
    }

    deinit { close() }

    /// Hangs up.
    func close() { channel.close(promise: nil) }

    /// Whether the supervisor has not hung up.
    var isOpen: Bool { dispatcher.end.settled == nil }

    /// Waits until processes can be started.
    /// - Throws: ``SandpiperError``, `CancellationError`.
    func waitUntilReady() async throws { try await dispatcher.ready.value }

    /// What is said when the supervisor hangs up without a word, because this program told the sandbox to end.
    func expectEnd(_ reason: String) { dispatcher.expectEnd(reason) }

    /// Sends a message about a process.
    func send(_ message: HostMessage) {
        // Only what starts a process may be too long, and that is checked when it is sent.
        guard let frame = try? message.frame() else { return }
        channel.writeAndFlush(ByteBuffer(bytes: frame.encoded), promise: nil)
    }

    /// Starts a process; what comes of it tells the state that is returned.
    /// - Throws: ``SandpiperError``.
    func start(_ specification: ProcessSpecification) throws -> ProcessStream.State {
        let state = try dispatcher.addStream { [weak self] in self?.send($0) }
        do {
            let frame = try HostMessage.start(stream: state.number, specification).frame()
            channel.writeAndFlush(ByteBuffer(bytes: frame.encoded), promise: nil)
        } catch {
            dispatcher.removeStream(state.number)
            throw SandpiperError.invalidArgument("the command and its environment are longer than 1 MiB")
        }
        return state
    }

    /// Asks for something and waits for the answer.
    /// - Throws: ``SandpiperError``, `CancellationError`.
    func request(_ request: ControlRequest) async throws -> ControlReply {
        let (number, reply) = try dispatcher.addRequest()
        do {
            let frame = try ClientMessage.request(number, request).frame()
            channel.writeAndFlush(ByteBuffer(bytes: frame.encoded), promise: nil)
        } catch {
            dispatcher.removeRequest(number)
            throw SandpiperError.invalidArgument("the request is longer than 1 MiB")
        }
        defer { dispatcher.removeRequest(number) }
        return try await reply.value
    }
}

/// Hands what comes from a supervisor to those who wait for it.
final class Dispatcher: Sendable {
    let ready = Eventual<Void>()
    /// Settled when the supervisor has hung up.
    let end = Eventual<Void>()

    private let directory: SandboxDirectory

    private struct State {
        var streams: [UInt32: ProcessStream.State] = [:]
        var requests: [UInt32: Eventual<ControlReply>] = [:]
        var lastStream: UInt32 = 0
        var lastRequest: UInt32 = 0
        var expectedEnd: String?
        var lastWords: String?
        /// Why there is nothing more.
        var end: SandpiperError?
    }

    private let state = Mutex(State())

    init(_ directory: SandboxDirectory) { self.directory = directory }

    func expectEnd(_ reason: String) { state.withLock { $0.expectedEnd = reason } }

    func addStream(send: @escaping @Sendable (HostMessage) -> Void) throws -> ProcessStream.State {
        try state.withLock { state in
            if let end = state.end { throw end }
            repeat {
                state.lastStream = state.lastStream == .max ? 1 : state.lastStream + 1
            } while state.streams[state.lastStream] != nil
            let stream = ProcessStream.State(state.lastStream, send: send)
            state.streams[stream.number] = stream
            return stream
        }
    }

    func removeStream(_ number: UInt32) { state.withLock { state in _ = state.streams.removeValue(forKey: number) } }

    func addRequest() throws -> (UInt32, Eventual<ControlReply>) {
        try state.withLock { state in
            if let end = state.end { throw end }
            repeat {
                state.lastRequest = state.lastRequest == .max ? 1 : state.lastRequest + 1
            } while state.requests[state.lastRequest] != nil
            let reply = Eventual<ControlReply>()
            state.requests[state.lastRequest] = reply
            return (state.lastRequest, reply)
        }
    }

    func removeRequest(_ number: UInt32) { state.withLock { state in _ = state.requests.removeValue(forKey: number) } }

    /// Takes a message from the supervisor.
    func receive(_ message: SupervisorMessage) {
        switch message {
        case .ready: ready.settle()
        case .failed(let reason): state.withLock { $0.lastWords = reason }
        case .reply(let number, let reply):
            let waiting = state.withLock { $0.requests.removeValue(forKey: number) }
            if case .failed(let reason) = reply {
                waiting?.settle(.failure(SandpiperError.refused(reason)))
            } else {
                waiting?.settle(.success(reply))
            }
        case .process(let message):
            guard let number = message.stream, let stream = state.withLock({ $0.streams[number] }) else { return }
            if stream.receive(message) { removeStream(number) }
        case .notice, .timing: break
        }
    }

    /// Takes note that the supervisor has hung up, or is of no further use.
    func hungUp(_ error: (any Error)? = nil) {
        let known = state.withLock {
            $0.lastWords ?? error.map { "its supervisor broke the protocol: \($0)" } ?? $0.expectedEnd
        }
        if let known { return finish(known) }
        // A file tells why; reading it may block.
        NIOThreadPool.singleton.submit { _ in self.finish(self.lifeTold) }
    }

    private var lifeTold: String {
        let life = directory.currentLife()
        switch life.status {
        case .crashed: return life.reason ?? "it crashed"
        case .starting, .running, .stopping: return "its supervisor was killed"
        case .paused: return life.reason ?? "it was paused"
        case .created, .stopped: return life.reason ?? "it was stopped"
        }
    }

    private func finish(_ reason: String) {
        let error = SandpiperError.ended(sandbox: "\(directory.id)", reason: reason)
        let (streams, requests) = state.withLock { state in
            state.end = error
            defer { (state.streams, state.requests) = ([:], [:]) }
            return (state.streams.values.map { $0 }, state.requests.values.map { $0 })
        }
        for stream in streams { stream.end(.failure(error), outputs: .failure(error)) }
        for request in requests { request.settle(.failure(error)) }
        ready.settle(.failure(error))
        end.settle()
    }
}

/// Cuts what comes over the socket into messages.
private final class FrameReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let dispatcher: Dispatcher
    private var decoder = FrameDecoder()
    private var failure: (any Error)?

    init(_ dispatcher: Dispatcher) { self.dispatcher = dispatcher }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard failure == nil else { return }
        unwrapInboundIn(data).withUnsafeReadableBytes { decoder.append($0) }
        do {
            while let frame = try decoder.next() { dispatcher.receive(try SupervisorMessage(frame)) }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A connection that was reset is one that has ended.
        if error is ProtocolError { failure = error }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { dispatcher.hungUp(failure) }
}

extension GuestMessage {
    /// The process that the message is about.
    fileprivate var stream: UInt32? {
        switch self {
        case .started(let stream, _), .failed(let stream, _), .data(let stream, _, _), .end(let stream, _),
            .credit(let stream, _), .exited(let stream, _):
            stream
        case .ready, .configured, .refused, .stopped, .measured, .frozen, .thawed: nil
        }
    }
}
