import NIOCore
import NIOHTTP2

/// Brings what happens to one end of a stream to its relay.
final class HTTP2StreamEnd: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let side: Side
    private let relay: HTTP2StreamRelay
    private var code: HTTP2ErrorCode?

    init(_ side: Side, _ relay: HTTP2StreamRelay) {
        self.side = side
        self.relay = relay
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), side) {
        case (.headers(let headers), .guest): relay.fromGuest(headers)
        case (.data(let data), .guest): relay.fromGuest(data)
        case (.headers(let headers), .server): relay.fromServer(headers)
        case (.data(let data), .server): relay.fromServer(data)
        case (.rstStream(let code), _): self.code = code
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { relay.flush(side.other) }

    func channelWritabilityChanged(context: ChannelHandlerContext) { relay.updateReading() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? NIOHTTP2Errors.StreamClosed { code = error.errorCode }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { relay.ended(side, code) }
}
