import AgentProtocol

/// One request or response as it goes over the byte stream: length `u32` (of what follows, 5...``maximumLength``),
/// the request's number `u32`, then a byte that says what it is and its fields; little-endian.
public struct FileFrame: Equatable, Sendable {
    /// The largest frame after its length field, in bytes. A longer one is a protocol error, never an allocation.
    public static let maximumLength = 1_048_576
    /// The most bytes of content in one ``FileRequest/write(_:_:)`` or ``FileResponse/bytes(_:)``.
    public static let maximumContent = 524_288

    /// The number of the request that this is or answers.
    public var id: UInt32
    /// What kind of message it is, and its fields; never empty.
    public var payload: [UInt8]

    /// Makes a frame.
    public init(id: UInt32, payload: [UInt8]) {
        self.id = id
        self.payload = payload
    }

    /// The frame as it goes over the wire.
    /// - Throws: ``ProtocolError/payloadTooLong(_:)`` when it is longer than a frame may be.
    public func encoded() throws(ProtocolError) -> [UInt8] {
        let length = payload.count + 4
        guard length <= Self.maximumLength else { throw .payloadTooLong(UInt32(clamping: length)) }
        var writer = ByteWriter()
        writer.unsigned32(UInt32(length))
        writer.unsigned32(id)
        return writer.bytes + payload
    }
}

/// Cuts a byte stream into frames, holding at most one incomplete frame.
///
/// The other side is not trusted: the first malformed length throws, and the decoder is then of no further use.
public struct FileFrameDecoder: Sendable {
    private static let keptCapacity = 4 * FileFrame.maximumContent

    private var buffer: [UInt8] = []
    private var position = 0

    /// Makes an empty decoder.
    public init() {}

    /// Bytes received and not yet returned in a frame.
    public var buffered: Int { buffer.count - position }

    /// Adds received bytes. Call ``next()`` until it returns `nil` before adding more, so that memory stays bounded by
    /// one read and one frame.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        if position == buffer.count && buffer.capacity > Self.keptCapacity {
            buffer = []
        } else if position > 0 {
            buffer.removeFirst(position)
        }
        position = 0
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or `nil` when more bytes are needed.
    /// - Throws: ``ProtocolError`` when a length is out of range.
    public mutating func next() throws(ProtocolError) -> FileFrame? {
        guard buffered >= 4 else { return nil }
        var head = ByteReader(buffer[position..<position + 4])
        let length = try head.unsigned32()
        guard length >= 5 else { throw .truncated }
        guard length <= UInt32(FileFrame.maximumLength) else { throw .payloadTooLong(length) }
        guard buffered >= 4 + Int(length) else { return nil }
        var number = ByteReader(buffer[position + 4..<position + 8])
        let id = try number.unsigned32()
        let end = position + 4 + Int(length)
        let payload = Array(buffer[position + 8..<end])
        position = end
        return FileFrame(id: id, payload: payload)
    }
}
