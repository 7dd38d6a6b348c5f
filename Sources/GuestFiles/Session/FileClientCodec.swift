import AgentProtocol
import FileProtocol

/// The client's side of a file session as a value: requests become bytes to send, received bytes become responses. It
/// does no input or output of its own, so that a synchronous program can use it as well as an asynchronous one.
///
/// ```swift
/// var codec = FileClientCodec()
/// let (id, bytes) = try codec.encode(.status(.root, followsLinks: true))
/// // Send `bytes`; then, for what is received:
/// codec.receive(piece)
/// while let (id, response) = try codec.next() { … }
/// ```
public struct FileClientCodec: Sendable {
    private var decoder = FileFrameDecoder()
    private var lastID: UInt32 = 0
    private var awaited: Set<UInt32> = []

    /// A codec for a session in which nothing was said yet.
    public init() {}

    /// Requests that have no response yet.
    public var outstanding: Int { awaited.count }

    /// Encodes a request.
    /// - Returns: its number, which is also the handle of what it opens, and the bytes to send.
    /// - Throws: ``GuestFilesError/misbehaved(_:)`` when the request is longer than a frame may be.
    public mutating func encode(_ request: FileRequest) throws(GuestFilesError) -> (id: UInt32, bytes: [UInt8]) {
        let id = lastID &+ 1
        let bytes: [UInt8]
        do throws(ProtocolError) { bytes = try FileFrame(id: id, payload: request.payload).encoded() } catch {
            throw .misbehaved("a request is too long")
        }
        lastID = id
        awaited.insert(id)
        return (id, bytes)
    }

    /// Adds received bytes. Call ``next()`` until it returns `nil` before adding more, so that memory stays bounded.
    public mutating func receive(_ bytes: some Collection<UInt8>) { decoder.append(bytes) }

    /// The next response, with the number of its request; `nil` when more bytes are needed.
    /// - Throws: ``GuestFilesError/misbehaved(_:)`` when the bytes are no response, or one to no request.
    public mutating func next() throws(GuestFilesError) -> (id: UInt32, response: FileResponse)? {
        do throws(ProtocolError) {
            guard let frame = try decoder.next() else { return nil }
            guard awaited.remove(frame.id) != nil else { throw ProtocolError.badField("number of a response") }
            return (frame.id, try FileResponse(frame.payload))
        } catch {
            throw .misbehaved("\(error)")
        }
    }
}
