import NIOCore

/// Which end of a connection.
enum Side: Sendable {
    case guest
    case server

    var other: Side { self == .guest ? .server : .guest }
}

/// Stands behind TLS in the pipeline of one end, and brings what happens there to the connection; or lets it pass to
/// handlers after it, once there are some.
final class ConnectionEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let side: Side
    private let connection: InterceptedConnection
    private var context: ChannelHandlerContext?
    private var passes = false

    init(_ side: Side, of connection: InterceptedConnection) {
        self.side = side
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// From now on handlers after this one get what comes, what came early first.
    func passOn(_ early: ByteBuffer) {
        passes = true
        guard early.readableBytes > 0, let context else { return }
        connection.count(early.readableBytes, from: side)
        context.fireChannelRead(wrapInboundOut(early))
        context.fireChannelReadComplete()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if passes {
            connection.count(unwrapInboundIn(data).readableBytes, from: side)
            context.fireChannelRead(data)
        } else {
            connection.received(unwrapInboundIn(data), from: side)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if passes { context.fireChannelReadComplete() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if passes { context.fireChannelWritabilityChanged() } else { connection.writabilityChanged(side) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if passes { context.fireUserInboundEventTriggered(event) }
        connection.happened(event, at: side)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.failed(error, at: side)
        if passes { context.fireErrorCaught(error) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        // First, so that streams of HTTP/2 know why they end.
        connection.closed(side)
        if passes { context.fireChannelInactive() }
    }
}
