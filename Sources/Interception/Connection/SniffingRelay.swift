import NIOCore
import TrafficInspection

/// Waits for the first line of a guest that did not say in its handshake what it will speak, and lets what the server says
/// meanwhile pass: in many protocols the server speaks first.
final class SniffingRelay: Relay {
    /// What a first line tells.
    enum Guess: Equatable {
        case http1
        case http2
        case other
    }

    let spoken = "opaque"
    /// A line longer than this is none of HTTP.
    private static let longestLine = 16_384
    /// How long the line may take, once begun. It is not passed on then: the rest could make it one of HTTP.
    private static let lineTime = TimeAmount.seconds(10)

    private unowned let connection: InterceptedConnection
    private var first = ByteBuffer()

    init(_ connection: InterceptedConnection) { self.connection = connection }

    func start() {
        connection.setReading(.guest, true)
        connection.setReading(.server, connection.isWritable(.guest))
    }

    func received(_ bytes: ByteBuffer, from side: Side) {
        guard side == .guest else {
            connection.write(bytes, to: .guest)
            connection.flush(.guest)
            return
        }
        if first.readableBytes == 0 {
            connection.setDeadline(Self.lineTime) { connection in
                connection.report(
                    Refused(
                        status: 408, reason: .limit, name: connection.order.serverName,
                        detail: "the guest's first words could be those of HTTP, and no line end follows"))
                connection.end()
            }
        }
        first.writeImmutableBuffer(bytes)
        if let guess = first.withUnsafeReadableBytes({ Self.guess($0) }) {
            connection.cancelDeadline()
            connection.relay(guess, early: first)
        }
    }

    func writabilityChanged(_ side: Side) {
        if side == .guest { connection.setReading(.server, connection.isWritable(.guest)) }
    }

    func inputEnded(_ side: Side) {
        if side == .guest {
            connection.relay(.other, early: first)
            connection.inputEnded(.guest)
        } else {
            connection.end()
        }
    }

    /// What is spoken; `nil` while that is open. Whatever a lenient server might take for HTTP counts as HTTP, which is
    /// then read strictly.
    static func guess(_ bytes: UnsafeRawBufferPointer) -> Guess? {
        let preface = "PRI * HTTP/2.0\r\n".utf8
        if bytes.count >= preface.count, bytes.starts(with: preface) { return .http2 }
        let start = bytes.firstIndex { $0 != 13 && $0 != 10 } ?? bytes.count
        guard start <= 16 else { return .other }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
        guard let first = rest.first else { return nil }
        // A method is a token.
        guard ASCII.isToken(first) else { return .other }
        guard let end = rest.firstIndex(where: { $0 == 10 || $0 < 9 || $0 >= 127 }) else {
            return rest.count < longestLine ? nil : .other
        }
        guard rest[end] == 10 else { return .other }
        let line = rest[..<end].map(ASCII.lowercased)
        return line.withUnsafeBytes { ByteSearch.first(Array("http/".utf8), in: $0) } == nil ? .other : .http1
    }
}
