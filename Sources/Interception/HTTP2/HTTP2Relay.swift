import InterceptionProtocol
import NIOCore
import NIOHPACK
import NIOHTTP2
import TrafficInspection

/// Carries HTTP/2 (RFC 9113) between a guest and a server that both speak it: each stream of the guest is one of the
/// server's, with its own flow control on either side.
///
/// Sound as Sendable since all of it happens on the connection's event loop.
final class HTTP2Relay: @unchecked Sendable {
    /// How many streams a guest may have open; together with the window of each, what they can hold here.
    private static let mostStreams = 100
    private static let window = 128 << 10

    let connection: InterceptedConnection
    let judge: RequestJudge
    /// What every request is answered with, when there is no server.
    let page: Refused?
    private var multiplexer: NIOHTTP2Handler.StreamMultiplexer?
    private weak var guest: (any Channel)?
    /// How many streams of the guest may still have their response.
    private var streams = 0
    private(set) var serverIsGone = false
    /// The last stream that the server has seen, once it says so.
    private var lastStream: HTTP2StreamID?
    /// Whether the server takes no new streams.
    private(set) var isDraining = false
    /// The last stream that the guest has opened, as far as it was heard.
    private var lastGuestStream = HTTP2StreamID.rootStream
    /// The last stream that the guest was told is seen.
    private var toldGuest: HTTP2StreamID?
    /// The guest's streams that are open.
    private var relays: [HTTP2StreamID: HTTP2StreamRelay] = [:]

    init(_ connection: InterceptedConnection, _ judge: RequestJudge, page: Refused?) {
        self.connection = connection
        self.judge = judge
        self.page = page
    }

    // MARK: Connections

    private func handler(
        _ mode: NIOHTTP2Handler.ParserMode, on channel: any Channel,
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> NIOHTTP2Handler {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.mostStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HTTPMessageReader.longestHead),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.window),
        ]
        // No server pushes what nobody asked for.
        if mode == .client { configuration.initialSettings.append(HTTP2Setting(parameter: .enablePush, value: 0)) }
        configuration.targetWindowSize = 8 * Self.window
        // Some clients measure the delay with a ping for every window.
        configuration.controlFrameRateLimit.maximumCount = 20_000
        var streams = NIOHTTP2Handler.StreamConfiguration()
        streams.targetWindowSize = Self.window
        streams.outboundBufferSizeHighWatermark = 64 << 10
        streams.outboundBufferSizeLowWatermark = 16 << 10
        streams.streamResetFrameRateLimit.maximumCount = 2_000
        return NIOHTTP2Handler(
            mode: mode, eventLoop: channel.eventLoop, connectionConfiguration: configuration,
            streamConfiguration: streams, inboundStreamInitializer: initializer)
    }

    /// Speaks with the server.
    func attach(server channel: any Channel) throws {
        let handler = handler(.client, on: channel) { $0.close() }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.pipeline.syncOperations.addHandler(HTTP2ConnectionEnd(.server, self))
        multiplexer = try handler.syncMultiplexer()
    }

    /// Speaks with the guest.
    func attach(guest channel: any Channel) throws {
        guest = channel
        let handler = handler(.server, on: channel) { [self] stream in
            stream.eventLoop.makeCompletedFuture {
                streams += 1
                let relay = HTTP2StreamRelay(self, guest: stream)
                try stream.pipeline.syncOperations.addHandler(HTTP2StreamEnd(.guest, relay))
                let id = try stream.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID) ?? .rootStream
                lastGuestStream = max(id, lastGuestStream)
                relays[id] = relay
                stream.closeFuture.whenComplete { [self] _ in
                    relays[id] = nil
                    relay.closed()
                }
            }
        }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.pipeline.syncOperations.addHandler(HTTP2ConnectionEnd(.guest, self))
    }

    /// Opens a stream to the server; `nil` when it takes none any more.
    func open(_ relay: HTTP2StreamRelay) -> EventLoopFuture<any Channel>? {
        guard let multiplexer, !isDraining, !serverIsGone else { return nil }
        return multiplexer.createStreamChannel { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(HTTP2StreamEnd(.server, relay))
            }
        }
    }

    // MARK: Ends

    /// Whether the server has said that it has not seen this one of its streams.
    func isUnseen(_ stream: HTTP2StreamID?) -> Bool {
        lastStream.map { last in stream.map { $0 > last } ?? true } ?? false
    }

    /// The server takes no new streams, and has not seen those after `last` (GOAWAY, section 6.8). The guest is told the same
    /// of its own: the last one before which none of those is, that the server has not seen. Where streams of the guest came
    /// to the server in another order, the others learn it from their own ends.
    func serverDrains(after last: HTTP2StreamID, _ code: HTTP2ErrorCode) {
        lastStream = min(last, lastStream ?? last)
        isDraining = true
        var seen = lastGuestStream
        while let stream = relays[seen], stream.isUnseen, seen > 2 { seen = HTTP2StreamID(Int(seen) - 2) }
        guard toldGuest.map({ seen < $0 }) ?? true else { return }
        toldGuest = seen
        let frame = HTTP2Frame(
            streamID: .rootStream, payload: .goAway(lastStreamID: seen, errorCode: code, opaqueData: nil))
        guest?.writeAndFlush(frame, promise: nil)
    }

    func inputEnded(_ side: Side) {
        if side == .guest { connection.end() } else { serverClosed() }
    }

    /// The server is gone; streams that have all they need still get to the guest.
    func serverClosed() {
        guard !serverIsGone else { return }
        serverIsGone = true
        serverDrains(after: .maxID, .noError)
        connection.setDeadline(InterceptedConnection.lingerTime) { $0.end() }
        endIfIdle()
    }

    /// A stream has had its response, or has lost its server before the end of it. Of that the guest learns by the end of
    /// its connection, as it would without us, and may try again.
    func streamEnded() {
        streams -= 1
        endIfIdle()
    }

    private func endIfIdle() {
        guard serverIsGone, streams == 0 else { return }
        // After what is on its way through the pipeline now.
        guest?.eventLoop.execute { [connection] in connection.finish() }
    }
}

/// Hears what concerns a whole connection of HTTP/2.
final class HTTP2ConnectionEnd: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let side: Side
    private let relay: HTTP2Relay

    init(_ side: Side, _ relay: HTTP2Relay) {
        self.side = side
        self.relay = relay
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .goAway(let last, let code, _) = unwrapInboundIn(data).payload, side == .server {
            relay.serverDrains(after: last, code)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // That of one stream ends that stream, which hears of it itself.
        if error is NIOHTTP2Errors.StreamClosed || error is NIOHTTP2Errors.NoSuchStream
            || error is NIOHTTP2Errors.StreamError
        {
            return
        }
        relay.connection.failed(error, at: side)
    }
}
