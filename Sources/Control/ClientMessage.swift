import AgentProtocol

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a client says to a supervisor over its control socket.
///
/// The control socket carries the frames of the agent's own protocol, so that a process's bytes pass through the supervisor
/// unchanged. A client numbers its streams and requests itself, from 1.
public enum ClientMessage: Equatable, Sendable {
    /// A message about one of the client's own processes, which end when the client goes.
    case process(HostMessage)
    /// A request under a number that its reply will bear.
    case request(UInt32, ControlRequest)
    /// Takes hold of a job under a stream number that is not in use: data, end, signal and resize frames of the stream go
    /// to the job, `credit` and `exited` frames come from it. Its output is in its log. Answered by `started` or `failed`.
    case attach(stream: UInt32, job: UInt32)

    /// Reads a message from a frame that came from a client.
    /// - Throws: `ProtocolError` when the frame is not one, or a field is malformed.
    public init(_ frame: Frame) throws(ProtocolError) {
        switch frame.kind {
        case .request:
            guard frame.stream != 0 else { throw .badField("stream") }
            guard let request = try? JSONDecoder().decode(ControlRequest.self, from: Data(frame.payload)) else {
                throw .badField("request")
            }
            self = .request(frame.stream, request)
        case .attach:
            guard frame.stream != 0 else { throw .badField("stream") }
            var reader = ByteReader(frame.payload)
            self = .attach(stream: frame.stream, job: try reader.unsigned32())
            try reader.finish()
        default: self = .process(try HostMessage(frame))
        }
    }

    /// The frame that carries this message.
    /// - Throws: `ProtocolError` when the message does not fit one frame.
    public func frame() throws(ProtocolError) -> Frame {
        switch self {
        case .process(let message): return try message.frame()
        case .request(let number, let request):
            return Frame(.request, stream: number, payload: try encoded(request))
        case .attach(let stream, let job):
            var writer = ByteWriter()
            writer.unsigned32(job)
            return Frame(.attach, stream: stream, payload: writer.bytes)
        }
    }
}

/// JSON of at most one frame.
func encoded(_ value: some Encodable) throws(ProtocolError) -> [UInt8] {
    guard let data = try? JSONEncoder().encode(value) else { throw .badField("request") }
    guard data.count <= FrameHeader.maximumPayload else { throw .payloadTooLong(UInt32(clamping: data.count)) }
    return Array(data)
}
