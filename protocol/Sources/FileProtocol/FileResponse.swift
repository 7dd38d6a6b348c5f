import AgentProtocol

/// Why a request failed: errno of Linux and one line of text.
public struct FileFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// An errno value of Linux, at least 1.
    public var code: Int32
    /// What was attempted, on what, and why it failed. From the guest, so foreign: clean it before it is shown.
    public var message: String

    /// Makes a failure.
    public init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}

/// What the file server answers.
public enum FileResponse: Equatable, Sendable {
    /// It is done.
    case done
    /// What a file is.
    case status(FileStatus)
    /// Names of a directory; none means that there are no more.
    case entries([DirectoryEntry])
    /// Content; empty at its end.
    case bytes([UInt8])
    /// Names of extended attributes.
    case names([[UInt8]])
    /// What a file system is.
    case fileSystem(FileSystemStatus)
    /// What happened, in order.
    case events([FileEvent])
    /// It could not be done.
    case failed(FileFailure)

    /// Reads the response that a frame carries.
    /// - Throws: ``ProtocolError`` when it is not one, or a field is malformed.
    public init(_ payload: [UInt8]) throws(ProtocolError) {
        var reader = ByteReader(payload)
        switch try reader.unsigned8() {
        case 1: self = .done
        case 2: self = .status(try FileStatus(from: &reader))
        case 3:
            self = .entries(try reader.list { reader throws(ProtocolError) in try DirectoryEntry(from: &reader) })
        case 4: self = .bytes(try reader.data())
        case 5: self = .names(try reader.list { reader throws(ProtocolError) in try reader.name() })
        case 6: self = .fileSystem(try FileSystemStatus(from: &reader))
        case 7: self = .events(try reader.list { reader throws(ProtocolError) in try FileEvent(from: &reader) })
        case 8:
            let code = try reader.unsigned32()
            guard (1...4095).contains(code) else { throw .badField("error number") }
            self = .failed(FileFailure(code: Int32(code), message: try reader.string()))
        default: throw .badField("response")
        }
        try reader.finish()
    }

    /// The payload of the frame that carries this response.
    public var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .done: writer.unsigned8(1)
        case .status(let status):
            writer.unsigned8(2)
            status.encode(into: &writer)
        case .entries(let entries):
            writer.unsigned8(3)
            writer.list(entries) { writer, entry in entry.encode(into: &writer) }
        case .bytes(let bytes):
            writer.unsigned8(4)
            writer.data(bytes)
        case .names(let names):
            writer.unsigned8(5)
            writer.list(names) { writer, name in writer.data(name) }
        case .fileSystem(let status):
            writer.unsigned8(6)
            status.encode(into: &writer)
        case .events(let events):
            writer.unsigned8(7)
            writer.list(events) { writer, event in event.encode(into: &writer) }
        case .failed(let failure):
            writer.unsigned8(8)
            writer.unsigned32(UInt32(clamping: failure.code))
            writer.string(failure.message)
        }
        return writer.bytes
    }
}
