import NIOCore
import TrafficInspection

/// Answers the guest's first request with a page that says why there is no server.
final class PageRelay: Relay {
    let spoken = "http/1"
    private unowned let connection: InterceptedConnection
    private let refused: Refused
    private var parser = HTTPMessageReader(.requests)
    private var bytes = ByteBuffer()

    init(_ connection: InterceptedConnection, _ refused: Refused) {
        self.connection = connection
        self.refused = refused
    }

    func start() { connection.setReading(.guest, true) }

    func received(_ bytes: ByteBuffer, from side: Side) {
        guard side == .guest else { return }
        self.bytes.writeImmutableBuffer(bytes)
        do {
            while true {
                let (step, consumed) = try self.bytes.withUnsafeReadableBytes { bytes throws(HTTPFault) in
                    try parser.step(bytes)
                }
                self.bytes.moveReaderIndex(forwardBy: consumed)
                switch step {
                case .more where consumed == 0: return
                case .head(let head):
                    connection.answer(refused, to: head)
                    return
                default: continue
                }
            }
        } catch {
            // What the guest speaks has no pages.
            connection.end()
        }
    }

    func writabilityChanged(_ side: Side) {}

    func inputEnded(_ side: Side) { connection.end() }
}
