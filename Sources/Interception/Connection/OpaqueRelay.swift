import NIOCore
import TrafficInspection

/// Lets bytes pass as they are. Those to the server are searched for placeholders, unless they are somebody else's secret
/// already.
final class OpaqueRelay: Relay {
    let spoken: String
    private unowned let connection: InterceptedConnection
    private let judge: RequestJudge
    private var scanner: StreamScanner?
    private var ended: Set<Side> = []
    private var passed: RequestJudge.Passed

    /// - Parameter scans: whether the bytes can be read.
    init(_ connection: InterceptedConnection, _ judge: RequestJudge, spoken: String, scans: Bool) {
        self.connection = connection
        self.judge = judge
        self.spoken = spoken
        scanner = scans && !judge.secrets.scanner.isEmpty ? StreamScanner(judge.secrets.scanner) : nil
        passed = RequestJudge.Passed(
            host: judge.serverName ?? .address(judge.order.address), allowed: judge.allowedUnread)
    }

    func start() {
        writabilityChanged(.guest)
        writabilityChanged(.server)
    }

    func received(_ bytes: ByteBuffer, from side: Side) {
        if side == .guest, scanner != nil {
            let found = bytes.withUnsafeReadableBytes { scanner?.feed($0) ?? [] }
            do {
                let known = passed.unreplaced
                try judge.accept(found, &passed)
                connection.note(unreplaced: passed.unreplaced.subtracting(known), host: passed.host)
            } catch {
                connection.report(error)
                connection.end()
                return
            }
        }
        connection.write(bytes, to: side.other)
        connection.flush(side.other)
    }

    func writabilityChanged(_ side: Side) {
        connection.setReading(side.other, !ended.contains(side.other) && connection.isWritable(side))
    }

    func inputEnded(_ side: Side) {
        guard ended.insert(side).inserted else { return }
        connection.closeOutput(side.other)
        if ended.count == 2 { connection.setDeadline(InterceptedConnection.lingerTime) { $0.end() } }
    }
}
