import AgentProtocol
import LinuxSystem
import NIOCore
import NIOPosix

/// A stream socket that carries frames.
typealias FrameChannel = NIOAsyncChannel<Frame, Frame>

extension NIOAsyncChannel where Inbound == Frame, Outbound == Frame {
    /// Adopts a connected stream socket as a channel of frames; the caller's descriptor stays its own.
    /// - Parameter relay: what takes frames out before they arrive.
    static func frames(
        _ descriptor: Descriptor, on group: any EventLoopGroup, relay: MountRelay? = nil
    ) async throws -> FrameChannel {
        try await socket(descriptor, on: group) { channel in
            try addFraming(to: channel)
            if let relay { try channel.pipeline.syncOperations.addHandler(relay) }
        }
    }

    /// Makes a new channel, on its own event loop, one of frames.
    static func frames(adopting channel: any NIOCore.Channel) throws -> FrameChannel {
        try addFraming(to: channel)
        return try FrameChannel(wrappingChannelSynchronously: channel)
    }

    private static func addFraming(to channel: any NIOCore.Channel) throws {
        try channel.pipeline.syncOperations.addHandlers(
            ByteToMessageHandler(FrameReader(), maximumBufferSize: 2 * FrameHeader.maximumPayload), FrameWriter())
    }
}

/// A descriptor that carries plain bytes.
typealias ByteChannel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

extension NIOAsyncChannel where Inbound == ByteBuffer, Outbound == ByteBuffer {
    /// Adopts a connected stream socket; the caller's descriptor stays its own.
    static func bytes(_ descriptor: Descriptor, on group: any EventLoopGroup) async throws -> ByteChannel {
        try await socket(descriptor, on: group) { _ in }
    }

    /// Adopts the reading end of a pipe; the caller's descriptor stays its own.
    static func pipe(_ descriptor: Descriptor, on group: any EventLoopGroup) async throws -> ByteChannel {
        try await NIOPipeBootstrap(group: group)
            .takingOwnershipOfDescriptor(input: try descriptor.duplicateForTransfer()) { channel in
                channel.eventLoop.makeCompletedFuture { try ByteChannel(wrappingChannelSynchronously: channel) }
            }
    }
}

extension NIOAsyncChannel {
    fileprivate static func socket(
        _ descriptor: Descriptor, on group: any EventLoopGroup,
        handlers: @escaping @Sendable (any NIOCore.Channel) throws -> Void
    ) async throws -> NIOAsyncChannel {
        // NIO closes the descriptor it is given, also when adopting fails.
        try await ClientBootstrap(group: group)
            .channelOption(.maxMessagesPerRead, value: 16)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16_384, maximum: 262_144)
            )
            .withConnectedSocket(try descriptor.duplicateForTransfer()) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try handlers(channel)
                    return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
    }
}

/// Cuts received bytes into frames.
private struct FrameReader: ByteToMessageDecoder {
    typealias InboundOut = Frame

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard buffer.readableBytes >= FrameHeader.size else { return .needMoreData }
        let header = try FrameHeader(decoding: buffer.readableBytesView)
        guard buffer.readableBytes >= FrameHeader.size + header.length else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: FrameHeader.size)
        let payload = buffer.readBytes(length: header.length) ?? []
        let frame = Frame(header.kind, channel: header.channel, stream: header.stream, payload: payload)
        context.fireChannelRead(wrapInboundOut(frame))
        return .continue
    }
}

/// Writes frames as bytes.
private final class FrameWriter: ChannelOutboundHandler {
    typealias OutboundIn = Frame
    typealias OutboundOut = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = unwrapOutboundIn(data)
        var header: [UInt8] = []
        FrameHeader(kind: frame.kind, channel: frame.channel, stream: frame.stream, length: frame.payload.count)
            .encode(into: &header)
        var buffer = context.channel.allocator.buffer(capacity: header.count + frame.payload.count)
        buffer.writeBytes(header)
        buffer.writeBytes(frame.payload)
        context.write(wrapOutboundOut(buffer), promise: promise)
    }
}
