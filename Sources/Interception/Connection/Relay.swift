import NIOCore

/// What happens to the bytes of a connection once both ends are there.
protocol Relay: AnyObject {
    /// What is spoken, for the connection's account.
    var spoken: String { get }
    /// Begins, before the first bytes.
    func start()
    /// Bytes came from one end.
    func received(_ bytes: ByteBuffer, from side: Side)
    /// An end takes bytes again, or takes no more for now.
    func writabilityChanged(_ side: Side)
    /// No more bytes come from one end; it may still take some.
    func inputEnded(_ side: Side)
}
