/// The fixed head of every frame on the byte stream between supervisor and agent.
///
/// Layout, little-endian, 12 bytes: payload length `u32` (0...``maximumPayload``), kind `u8`, channel `u8`,
/// reserved `u16` (zero), stream `u32`. Stream 0 is the machine itself; every other stream is one process.
public struct FrameHeader: Equatable, Sendable {
    /// Bytes of an encoded header.
    public static let size = 12
    /// The largest payload of one frame, in bytes. A longer one is a protocol error, never an allocation.
    public static let maximumPayload = 1_048_576
    /// The largest payload of a ``FrameKind/data`` frame, in bytes, so that streams share the wire fairly.
    public static let maximumData = 262_144

    /// What the payload means.
    public var kind: FrameKind
    /// Which of a process's byte streams a ``FrameKind/data``, ``FrameKind/end`` or ``FrameKind/credit`` frame is about;
    /// ``Channel/input`` in every other frame.
    public var channel: Channel
    /// The process the frame belongs to; 0 is the machine.
    public var stream: UInt32
    /// Payload bytes that follow, 0...``maximumPayload``.
    public var length: Int

    /// Makes a header for a payload of `length` bytes.
    public init(kind: FrameKind, channel: Channel = .input, stream: UInt32, length: Int) {
        self.kind = kind
        self.channel = channel
        self.stream = stream
        self.length = length
    }

    /// Reads a header from exactly ``size`` bytes.
    /// - Throws: ``ProtocolError`` when a field is outside its range.
    public init(decoding bytes: some Collection<UInt8>) throws(ProtocolError) {
        var reader = ByteReader(bytes.prefix(FrameHeader.size))
        let length = try reader.unsigned32()
        let kind = try reader.unsigned8()
        let channel = try reader.unsigned8()
        let reserved = try reader.unsigned16()
        let stream = try reader.unsigned32()
        guard length <= UInt32(FrameHeader.maximumPayload) else { throw .payloadTooLong(length) }
        guard let kind = FrameKind(rawValue: kind) else { throw .unknownKind(kind) }
        guard kind != .data || length <= UInt32(FrameHeader.maximumData) else { throw .payloadTooLong(length) }
        guard let channel = Channel(rawValue: channel) else { throw .badField("channel") }
        guard reserved == 0 else { throw .badField("reserved") }
        self.init(kind: kind, channel: channel, stream: stream, length: Int(length))
    }

    /// Appends the ``size`` bytes of this header to `bytes`.
    public func encode(into bytes: inout [UInt8]) {
        var writer = ByteWriter(appendingTo: bytes)
        bytes = []
        writer.unsigned32(UInt32(clamping: length))
        writer.unsigned8(kind.rawValue)
        writer.unsigned8(channel.rawValue)
        writer.unsigned16(0)
        writer.unsigned32(stream)
        bytes = writer.bytes
    }
}

/// What a frame means. The values are the wire's and never change their meaning within a ``ProtocolVersion``.
public enum FrameKind: UInt8, Sendable, CaseIterable {
    // Guest to host.
    case ready = 1
    case configured = 2
    case refused = 3
    case started = 4
    case failed = 5
    case exited = 6
    case stopped = 7
    case measured = 8
    case frozen = 9
    case thawed = 10
    // Both ways.
    case data = 16
    case end = 17
    case credit = 18
    // Host to guest.
    case configure = 32
    case start = 33
    case signal = 34
    case resize = 35
    case shutdown = 36
    case measure = 37
    case setClock = 38
    case freeze = 39
    case thaw = 40
    // Supervisor to client of the control socket, never on the agent's port.
    case sandboxReady = 64
    case sandboxFailed = 65
    case timing = 66
    case notice = 67
    case reply = 68
    // Client of the control socket to supervisor, never on the agent's port.
    case request = 80
    case attach = 81
}

/// One of the byte streams of a process.
public enum Channel: UInt8, Sendable {
    case input = 0
    case output = 1
    case error = 2
}

/// Whole frame: header and payload.
public struct Frame: Equatable, Sendable {
    /// What the payload means.
    public var kind: FrameKind
    /// Which byte stream of the process, in data, end and credit frames.
    public var channel: Channel
    /// The process, or 0 for the machine.
    public var stream: UInt32
    /// At most ``FrameHeader/maximumPayload`` bytes.
    public var payload: [UInt8]

    /// Makes a frame; `payload` must not exceed ``FrameHeader/maximumPayload`` bytes.
    public init(_ kind: FrameKind, channel: Channel = .input, stream: UInt32 = 0, payload: [UInt8] = []) {
        self.kind = kind
        self.channel = channel
        self.stream = stream
        self.payload = payload
    }

    /// The frame as it goes over the wire.
    public var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(FrameHeader.size + payload.count)
        FrameHeader(kind: kind, channel: channel, stream: stream, length: payload.count).encode(into: &bytes)
        bytes.append(contentsOf: payload)
        return bytes
    }
}

/// Cuts a byte stream into frames, holding at most one incomplete frame.
///
/// The other side is not trusted: the first malformed header throws, and the decoder is then of no further use.
public struct FrameDecoder: Sendable {
    private static let keptCapacity = 4 * FrameHeader.maximumData

    private var buffer: [UInt8] = []
    private var position = 0

    /// Makes an empty decoder.
    public init() {}

    /// Bytes received and not yet returned in a frame.
    public var buffered: Int { buffer.count - position }

    /// Adds received bytes. Call ``next()`` until it returns `nil` before adding more, so that memory stays bounded
    /// by one read and one frame.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        // Bytes that lie together are copied at once; a generic copy takes many times as long.
        let copied: Void? = bytes.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if copied == nil { Array(bytes).withUnsafeBytes { append($0) } }
    }

    /// Adds received bytes, as ``append(_:)-(Collection<UInt8>)`` does, from memory that need only be valid during the call.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if position == buffer.count && buffer.capacity > FrameDecoder.keptCapacity {
            // A long frame has gone through; its memory is not kept for the short ones that follow.
            buffer = []
        } else if position > 0 {
            buffer.removeFirst(position)
        }
        position = 0
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or `nil` when more bytes are needed.
    /// - Throws: ``ProtocolError`` when the header is malformed.
    public mutating func next() throws(ProtocolError) -> Frame? {
        guard buffered >= FrameHeader.size else { return nil }
        let header = try FrameHeader(decoding: buffer[position..<position + FrameHeader.size])
        guard buffered >= FrameHeader.size + header.length else { return nil }
        let start = position + FrameHeader.size
        let payload = Array(buffer[start..<start + header.length])
        position = start + header.length
        return Frame(header.kind, channel: header.channel, stream: header.stream, payload: payload)
    }
}

/// The version both sides must agree on; the agent sends it in ``GuestMessage/ready(_:)``.
public enum ProtocolVersion {
    /// The version this code speaks.
    public static let current: UInt32 = 6
}

/// Flow control: a sender may have this many unacknowledged bytes under way on each channel of a stream.
///
/// Each channel starts with ``initial`` bytes of credit. The receiver returns credit for what it has passed on; a sender
/// without credit stops reading from its source, so that a slow reader holds up its own stream and nothing else.
public enum FlowWindow {
    /// Credit that each channel of a new stream starts with, in bytes.
    public static let initial: UInt32 = 524_288
}
