/// Bytes to and from a file server: a process of the sandbox that was started with ``ProcessSpecification/files(user:)``.
public protocol ByteStream: Sendable {
    /// What comes from the server's stdout, in pieces. It ends when the server does. The transport gives the server credit
    /// as pieces are taken.
    associatedtype Received: AsyncSequence & Sendable where Received.Element == [UInt8]

    /// What comes from the server; asked for once.
    var received: Received { get }

    /// Sends bytes to the server's stdin, all of them; waits as long as the transport has no room.
    func send(_ bytes: [UInt8]) async throws

    /// Ends the server's stdin, upon which it ends.
    func finish() async
}
