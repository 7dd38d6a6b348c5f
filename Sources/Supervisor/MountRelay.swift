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
        /// Bytes that were sent to the server, and have come from it.
        var sent: UInt64 = 0
        var received: UInt64 = 0
        /// Who waits until so many have come.
        var expecting: (count: UInt64, EventLoopPromise<Void>)?
        /// What the server has said and the guest has no room for.
        var waiting = ByteBuffer()
        var needsFlush = false

        var hasEnded: Bool { if case .ended = stage { true } else { false } }
    }

    private var lanes: [Int: Lane] = [:]
    private var agent: ChannelHandlerContext?
    /// Whether the guest is told nothing: its machine is frozen, or about to be.
    private var isHeld: Bool
    private let tellLost: AsyncStream<Int>.Continuation
    /// Whether everything that the guest wrote has arrived; told once, when the last mount is unmounted.
    private let allEnded: EventLoopPromise<Void>

    /// A relay for servers that speak on these sockets, by the places of their mounts.
    /// - Parameter frozen: where an earlier relay stood with a frozen machine; then it begins with ``goOn()``.
    init(_ sockets: [Int: Descriptor], frozen: [FrozenMount]? = nil, on loop: any EventLoop) {
        self.loop = loop
        isHeld = frozen != nil
        (lost, tellLost) = AsyncStream.makeStream()
        allEnded = loop.makePromise()
        for (index, socket) in sockets { lanes[index] = Lane(socket: socket) }
        for mount in frozen ?? [] {
            lanes[mount.place]?.stage = .running
            lanes[mount.place]?.guestCredit = mount.guestCredit
            lanes[mount.place]?.taken = FlowWindow.initial - mount.guestCredit
            lanes[mount.place]?.hostCredit = mount.hostCredit
            lanes[mount.place]?.waiting = ByteBuffer(bytes: mount.answers)
        }
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
        lanes[index]?.socket = nil
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
    private static let serverEnded = StartFailure(.noResources, "its server has ended")
    private static func stream(_ index: Int) -> UInt32 { firstStream + UInt32(clamping: index) }

    // MARK: Freezing

    /// Says nothing more to the guest until ``release()``. What it was told is on its way before whatever it is told next.
    func hold() async { try? await loop.submit { [self] in isHeld = true }.get() }

    /// Says what was held back, and what the servers say from now on.
    func release() async {
        try? await loop.submit { [self] in
            isHeld = false
            for (index, lane) in lanes {
                if case .running = lane.stage, lane.server == nil { ended(index) }
                giveBack(index)
                passOn(index)
            }
        }.get()
    }

    /// How many bytes each server was sent, all that the guest has said among them. The guest is silent.
    func sent() async throws -> [Int: UInt64] {
        try await loop.submit { [self] in
            try lanes.filter { if case .running = $0.value.stage { true } else { false } }.mapValues { lane in
                guard lane.server != nil else { throw Self.serverEnded }
                return lane.sent
            }
        }.get()
    }

    /// Where this relay stands with its servers, when it has heard so many bytes from each.
    func frozen(_ counts: [Int: UInt64]) async throws -> [FrozenMount] {
        try await loop.flatSubmit { [self] in
            let heard = counts.map { index, count in hear(count, index) }
            return EventLoopFuture.andAllSucceed(heard, on: loop)
        }.get()
        return try await loop.submit { [self] in
            counts.compactMap { index, count in
                guard let lane = lanes[index] else { return nil }
                // What came since, the server says again to whoever goes on from here.
                let later = Int(clamping: lane.received - min(count, lane.received))
                let answers = lane.waiting.readableBytesView.dropLast(later)
                return FrozenMount(
                    place: index, guestCredit: lane.guestCredit, hostCredit: lane.hostCredit, answers: Array(answers))
            }
        }.get()
    }

    private func hear(_ count: UInt64, _ index: Int) -> EventLoopFuture<Void> {
        guard let lane = lanes[index], lane.received < count else { return loop.makeSucceededVoidFuture() }
        guard let server = lane.server else { return loop.makeFailedFuture(Self.serverEnded) }
        let promise = loop.makePromise(of: Void.self)
        lanes[index]?.expecting = (count, promise)
        server.read()
        return promise.futureResult
    }

    /// Connects the servers of a machine that goes on. It is told nothing before ``release()``.
    func goOn() async throws {
        try await loop.flatSubmit { [self] in
            let connected = lanes.compactMap { index, lane in lane.socket.map { connect($0, index) } }
            return EventLoopFuture.andAllSucceed(connected, on: loop)
        }.get()
    }

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
            // One that ended while nothing could be said is told of later.
            if isHeld, lane.server == nil { return }
            lanes[index]?.sent += UInt64(count)
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
        guard let lane = lanes[index], case .running = lane.stage else { return }
        lanes[index]?.taken += count
        giveBack(index)
    }

    private func giveBack(_ index: Int) {
        guard let lane = lanes[index], !isHeld, lane.taken >= Self.creditStep else { return }
        send(.credit(stream: Self.stream(index), .output, lane.taken))
        lanes[index]?.guestCredit += lane.taken
        lanes[index]?.taken = 0
    }

    private func send(_ message: HostMessage) {
        guard let agent, let frame = try? message.frame() else { return }
        agent.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    // MARK: From the servers

    fileprivate func received(_ bytes: ByteBuffer, _ index: Int) {
        var bytes = bytes
        lanes[index]?.received += UInt64(bytes.readableBytes)
        lanes[index]?.waiting.writeBuffer(&bytes)
        if let lane = lanes[index], let (count, promise) = lane.expecting {
            guard lane.received >= count else { return lane.server?.read() ?? () }
            lanes[index]?.expecting = nil
            promise.succeed()
        }
        passOn(index)
    }

    /// Passes on what a server has said, as far as the guest has room, and reads more when that is all.
    private func passOn(_ index: Int) {
        guard var lane = lanes[index], case .running = lane.stage, let agent, !isHeld else { return }
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
        if let (_, promise) = lane.expecting {
            lanes[index]?.expecting = nil
            promise.fail(Self.serverEnded)
        }
        switch lane.stage {
        case .running where isHeld: return
        case .placing(let placed): placed.fail(Self.serverEnded)
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
            if let (_, promise) = lane.expecting { promise.fail(Self.gone) }
            lanes[index]?.expecting = nil
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
