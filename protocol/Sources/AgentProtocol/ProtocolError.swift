/// Why bytes from the other side are not a frame or a message of this protocol.
public enum ProtocolError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A header announced a payload of so many bytes, more than its kind may have: ``FrameHeader/maximumData`` or
    /// ``FrameHeader/maximumPayload``.
    case payloadTooLong(UInt32)
    /// A header named a kind that this version does not know.
    case unknownKind(UInt8)
    /// The frame is known, but not one that this side may receive.
    case unexpected(FrameKind)
    /// The payload ended before the field.
    case truncated
    /// Bytes remain after the last field.
    case trailingBytes
    /// The named field is outside its range.
    case badField(String)

    /// One line for a person.
    public var description: String {
        switch self {
        case .payloadTooLong(let length):
            "a frame announces \(length) bytes, more than its kind may have"
        case .unknownKind(let kind): "a frame has the unknown kind \(kind)"
        case .unexpected(let kind): "a frame of kind '\(kind)' is not expected here"
        case .truncated: "a message ends too early"
        case .trailingBytes: "a message has bytes after its end"
        case .badField(let name): "a message's field '\(name)' is out of range"
        }
    }
}
