import AgentProtocol
import LinuxSystem
import NIOCore
import NIOPosix

/// Carries the messages of mounted file systems between the agent's port and the servers of their files.
///
/// It sits in the agent's channel and takes its streams' frames out before they reach the session: every operation on a
/// file in the guest waits for an answer, and this way that passes through one thread. The streams are not processes of a
/// client, and have numbers that ``StreamRouter`` gives to none. The guest is hostile: it may send within its credit and
/// nothing else, or its sandbox ends. What it says is bytes here; the server alone reads them.
///
/// Sound: after the initialiser everything but ``loop`` and ``lost`` is touched on the loop alone, on which both channels
/// live.
final class MountRelay: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = Frame
    typealias InboundOut = Frame
    typealias OutboundOut = Frame

    /// The number of the first of these streams.
    static let firstStream = StreamRouter.firstReserved
    /// Credit is given back in pieces of so many bytes: the guest never needs all that it has.
    private static let creditStep: UInt32 = 131_072

    /// Where the agent's channel must live.
    let loop: any EventLoop
    /// Mounts whose servers have ended while they were used, by their places.
    let lost: AsyncStream<Int>

    private enum Stage {
        case new
        case placing(EventLoopPromise<Void>)
        case running
        /// Its server is gone; the guest has been told and may have said something before it heard.
        case cutOff
        case ended
    }

    private struct Lane {
        var stage = Stage.new
        /// The socket before it is a channel; `nil` for a mount that nobody serves.
        var socket: Descriptor?
        var server: (any NIOCore.Channel)?
        /// Bytes that the guest may still send.
        var guestCredit = FlowWindow.initial
        /// Bytes for which it has no new credit yet, though they are passed on.
        var taken: UInt32 = 0
        /// Bytes that the guest would still take.
        var hostCredit = FlowWindow.initial
        /// What the server has said and the guest has no room for.
        var waiting = ByteBuffer()
        var needsFlush = false

        var hasEnded: Bool { if case .ended = stage { true } else { false } }
    }

    private var lanes: [Int: Lane] = [:]
    private var agent: ChannelHandlerContext?
    private let tellLost: AsyncStream<Int>.Continuation
    /// Whether everything that the guest wrote has arrived; told once, when the last mount is unmounted.
    private let allEnded: EventLoopPromise<Void>

    /// A relay for servers that speak on these sockets, by the places of their mounts.
    init(_ sockets: [Int: Descriptor], on loop: any EventLoop) {
        self.loop = loop
        (lost, tellLost) = AsyncStream.makeStream()
        allEnded = loop.makePromise()
        for (index, socket) in sockets { lanes[index] = Lane(socket: socket) }
    }

    // MARK: From the supervisor

    /// Has the agent make a mount; returns when it is in place.
    /// - Throws: `StartFailure` when it cannot be made.
    func place(_ mount: GuestMount, _ index: Int) async throws {
        try await loop.flatSubmit { [self] in start(mount, index) }.get()
    }

    /// Whether a mount can be used at this moment.
    var isServing: Bool {
        get async {
            let isServing = try? await loop.submit { [self] in
                lanes.values.contains { if case .running = $0.stage { true } else { false } }
            }.get()
            return isServing ?? false
        }
    }

    /// Returns when all mounts are unmounted, so that everything that was written has arrived, or their machine is gone.
    func waitUntilUnmounted() async { try? await allEnded.futureResult.get() }

    /// Closes the servers' sockets.
    func close() async { try? await loop.submit { [self] in closeAll() }.get() }

    private func start(_ mount: GuestMount, _ index: Int) -> EventLoopFuture<Void> {
        guard let agent else { return loop.makeFailedFuture(Self.gone) }
        var lane = lanes[index] ?? Lane()
        let placed = loop.makePromise(of: Void.self)
        lane.stage = .placing(placed)
        let socket = lane.socket
        lane.socket = nil
        lanes[index] = lane
        let frame = try? HostMessage.start(stream: Self.stream(index), .mount(mount)).frame()
        guard let frame else {
            placed.fail(StartFailure(.badRequest, "its path is too long"))
            return placed.futureResult
        }
        guard let socket else {
            agent.writeAndFlush(wrapOutboundOut(frame), promise: nil)
            return placed.futureResult
        }
        connect(socket, index).whenComplete { [self] result in
            switch result {
            case .success: self.agent?.writeAndFlush(wrapOutboundOut(frame), promise: nil)
            case .failure(let error): placed.fail(StartFailure(.noResources, "\(error)"))
            }
        }
        return placed.futureResult
    }

    private func connect(_ socket: Descriptor, _ index: Int) -> EventLoopFuture<Void> {
        do {
            // NIO closes the descriptor it is given; the other one goes with its last reference.
            return ClientBootstrap(group: loop)
                .channelOption(.autoRead, value: false)
                .channelOption(.maxMessagesPerRead, value: 4)
                .channelOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 65_536, maximum: 262_144)
                )
                .channelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(ServerEnd(self, index))
                    }
                }
                .withConnectedSocket(try socket.duplicateForTransfer())
                .map { [self] channel in lanes[index]?.server = channel }
        } catch { return loop.makeFailedFuture(error) }
    }

    /// Why a mount cannot be made in a machine that is no more.
    static let gone = StartFailure(.noResources, "the machine has ended")
    private static func stream(_ index: Int) -> UInt32 { firstStream + UInt32(clamping: index) }

    // MARK: From the agent

    func handlerAdded(context: ChannelHandlerContext) { agent = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        agent = nil
        closeAll()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard frame.stream >= Self.firstStream else { return context.fireChannelRead(data) }
        do { try receive(frame, Int(frame.stream - Self.firstStream)) } catch { context.fireErrorCaught(error) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        for (index, lane) in lanes where lane.needsFlush {
            lanes[index]?.needsFlush = false
            lane.server?.flush()
        }
        context.fireChannelReadComplete()
    }

    private func receive(_ frame: Frame, _ index: Int) throws(ProtocolError) {
        let message = try GuestMessage(frame)
        guard let lane = lanes[index] else { throw .badField("stream") }
        switch (message, lane.stage) {
        case (.started, .placing(let placed)):
            lanes[index]?.stage = .running
            placed.succeed()
            passOn(index)
        case (.failed(_, let failure), .placing(let placed)):
            lanes[index]?.stage = .ended
            placed.fail(failure)
            lane.server?.close(promise: nil)
        case (.data(_, .output, let bytes), .running):
            let count = UInt32(clamping: bytes.count)
            guard count > 0, count <= lane.guestCredit else { throw .badField("credit") }
            lanes[index]?.guestCredit -= count
            guard let server = lane.server else { throw .unexpected(.data) }
            lanes[index]?.needsFlush = true
            server.write(ByteBuffer(bytes: bytes)).whenComplete { [self] _ in wasPassedOn(count, index) }
        case (.credit(_, let count), .running):
            guard count > 0, count <= FlowWindow.initial - lane.hostCredit else { throw .badField("credit") }
            lanes[index]?.hostCredit += count
            passOn(index)
        case (.end(_, .output), .running), (.data, .cutOff), (.credit, .cutOff), (.end, .cutOff): break
        case (.exited, .running), (.exited, .cutOff):
            lanes[index]?.stage = .ended
            lane.server?.close(promise: nil)
            if lanes.values.allSatisfy(\.hasEnded) { allEnded.succeed() }
        default: throw .unexpected(frame.kind)
        }
    }

    private func wasPassedOn(_ count: UInt32, _ index: Int) {
        guard var lane = lanes[index], case .running = lane.stage else { return }
        lane.taken += count
        if lane.taken >= Self.creditStep {
            send(.credit(stream: Self.stream(index), .output, lane.taken))
            lane.guestCredit += lane.taken
            lane.taken = 0
        }
        lanes[index] = lane
    }

    private func send(_ message: HostMessage) {
        guard let agent, let frame = try? message.frame() else { return }
        agent.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    // MARK: From the servers

    fileprivate func received(_ bytes: ByteBuffer, _ index: Int) {
        var bytes = bytes
        lanes[index]?.waiting.writeBuffer(&bytes)
        passOn(index)
    }

    /// Passes on what a server has said, as far as the guest has room, and reads more when that is all.
    private func passOn(_ index: Int) {
        guard var lane = lanes[index], case .running = lane.stage, let agent else { return }
        while lane.hostCredit > 0, lane.waiting.readableBytes > 0 {
            let count = min(lane.waiting.readableBytes, Int(lane.hostCredit), FrameHeader.maximumData)
            let payload = lane.waiting.readBytes(length: count) ?? []
            lane.hostCredit -= UInt32(clamping: payload.count)
            let frame = Frame(.data, stream: Self.stream(index), payload: payload)
            agent.write(wrapOutboundOut(frame), promise: nil)
        }
        if lane.waiting.readableBytes == 0 { lane.waiting.clear(minimumCapacity: 0) }
        lanes[index] = lane
        agent.flush()
        if lane.waiting.readableBytes == 0 { lane.server?.read() }
    }

    fileprivate func ended(_ index: Int) {
        guard let lane = lanes[index] else { return }
        lanes[index]?.server = nil
        switch lane.stage {
        case .placing(let placed): placed.fail(StartFailure(.noResources, "its server has ended"))
        case .running:
            lanes[index]?.stage = .cutOff
            send(.end(stream: Self.stream(index)))
            tellLost.yield(index)
            return
        case .new, .cutOff, .ended: break
        }
        lanes[index]?.stage = .ended
    }

    private func closeAll() {
        for (index, lane) in lanes {
            lanes[index]?.stage = .ended
            lanes[index]?.socket = nil
            if case .placing(let placed) = lane.stage { placed.fail(Self.gone) }
            lane.server?.close(promise: nil)
        }
        allEnded.succeed()
    }
}

/// The socket of one server.
private final class ServerEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let relay: MountRelay
    private let index: Int

    init(_ relay: MountRelay, _ index: Int) {
        self.relay = relay
        self.index = index
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { relay.received(unwrapInboundIn(data), index) }

    func channelInactive(context: ChannelHandlerContext) { relay.ended(index) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
