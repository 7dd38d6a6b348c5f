import AgentProtocol

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a supervisor says to a client of its control socket; a client says ``ClientMessage``s.
public enum SupervisorMessage: Equatable, Sendable {
    /// The machine is configured; processes can be started.
    case ready
    /// There is no sandbox, or none any more: one or two lines that say why. Last message.
    case failed(String)
    /// One line that the user should read once.
    case notice(String)
    /// A stage of the start was reached at this reading of the monotonic clock, in nanoseconds.
    case timing(stage: String, nanoseconds: UInt64)
    /// The answer to the request with this number.
    case reply(UInt32, ControlReply)
    /// A message about one of the client's streams.
    case process(GuestMessage)

    /// Reads a message from a frame that came from the supervisor.
    /// - Throws: `ProtocolError` when the frame is not one, or a field is malformed.
    public init(_ frame: Frame) throws(ProtocolError) {
        var reader = ByteReader(frame.payload)
        switch frame.kind {
        case .sandboxReady: self = .ready
        case .sandboxFailed: self = .failed(String(decoding: frame.payload, as: UTF8.self))
        case .notice: self = .notice(String(decoding: frame.payload, as: UTF8.self))
        case .timing: self = .timing(stage: try reader.string(), nanoseconds: try reader.unsigned64())
        case .reply:
            guard let reply = try? JSONDecoder().decode(ControlReply.self, from: Data(frame.payload)) else {
                throw .badField("reply")
            }
            self = .reply(frame.stream, reply)
        default: self = .process(try GuestMessage(frame))
        }
    }

    /// The frame that carries this message.
    /// - Throws: `ProtocolError` when the message does not fit one frame.
    public func frame() throws(ProtocolError) -> Frame {
        switch self {
        case .ready: return Frame(.sandboxReady)
        case .failed(let reason): return Frame(.sandboxFailed, payload: Self.text(reason))
        case .notice(let line): return Frame(.notice, payload: Self.text(line))
        case .timing(let stage, let nanoseconds):
            var writer = ByteWriter()
            writer.string(stage)
            writer.unsigned64(nanoseconds)
            return Frame(.timing, payload: writer.bytes)
        case .reply(let number, let reply): return Frame(.reply, stream: number, payload: try encoded(reply))
        case .process(let message): return try message.frame()
        }
    }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8.prefix(FrameHeader.maximumPayload)) }
}
