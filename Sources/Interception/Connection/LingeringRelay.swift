import NIOCore

/// Throws away what a guest still sends after its last answer, for a while: a socket that is closed while bytes come may
/// take the answer with it.
final class LingeringRelay: Relay {
    let spoken: String
    private static let most = 1 << 20
    private unowned let connection: InterceptedConnection
    private var left = LingeringRelay.most

    init(_ connection: InterceptedConnection, spoken: String) {
        self.connection = connection
        self.spoken = spoken
    }

    func start() {
        connection.closeOutput(.guest)
        connection.setReading(.guest, true)
        connection.setDeadline(InterceptedConnection.lingerTime) { $0.end() }
    }

    func received(_ bytes: ByteBuffer, from side: Side) {
        guard side == .guest else { return }
        left -= bytes.readableBytes
        if left < 0 { connection.end() }
    }

    func writabilityChanged(_ side: Side) {}

    func inputEnded(_ side: Side) { connection.end() }
}
