import DNSMessage
import NetworkStack

/// Questions of the guest over TCP (RFC 7766): each message after its length in two bytes.
final class NameStream: StreamHandler, TimeHandler {
    let connection: ConnectionID
    var isWaitingForTurn = false
    private var received: [UInt8] = []
    private var unsent: [UInt8] = []
    private var hasFinished = false
    /// Questions that are not answered yet.
    private var waiting = 0
    private var lastUsed: UInt64
    private var isOver = false

    /// How long it may be idle, in nanoseconds.
    private static let patience: UInt64 = 10_000_000_000
    /// Most questions at one time, and most bytes of answers that the guest does not take.
    private static let (mostWaiting, mostUnsent) = (16, 256 << 10)

    init(_ connection: ConnectionID, in loop: GatewayLoop) {
        self.connection = connection
        lastUsed = loop.now
        loop.wait(until: loop.now + Self.patience, self)
    }

    func established(in loop: GatewayLoop) {}

    func work(in loop: GatewayLoop) {
        send(in: loop)
        while !isOver, waiting < Self.mostWaiting, loop.stack.readableCount(connection) > 0 {
            let count = loop.stack.read(connection, at: loop.time) { bytes in
                let count = min(bytes.count, DNSMessage.maximumSize + 2 - received.count)
                received += bytes.prefix(count)
                return count
            }
            lastUsed = loop.now
            let asked = askNext(in: loop)
            guard count > 0 || asked else { break }
        }
        endIfDone(in: loop)
    }

    /// Asks what has come whole.
    private func askNext(in loop: GatewayLoop) -> Bool {
        var hasAsked = false
        while !isOver, waiting < Self.mostWaiting, received.count >= 2 {
            let length = Int(received[0]) << 8 | Int(received[1])
            guard received.count >= length + 2 else { break }
            let question = Array(received[2..<length + 2])
            received.removeFirst(length + 2)
            waiting += 1
            hasAsked = true
            loop.names.ask(question, .stream(self), in: loop)
        }
        return hasAsked
    }

    /// Sends an answer.
    func answer(_ message: [UInt8], in loop: GatewayLoop) {
        waiting -= 1
        guard !isOver else { return }
        unsent += [UInt8(message.count >> 8 & 255), UInt8(message.count & 255)] + message
        guard unsent.count <= Self.mostUnsent else { return abort(in: loop) }
        send(in: loop)
        _ = askNext(in: loop)
        endIfDone(in: loop)
    }

    private func send(in loop: GatewayLoop) {
        guard !isOver, !unsent.isEmpty else { return }
        unsent.removeFirst(loop.stack.write(connection, unsent, at: loop.time))
    }

    func finished(in loop: GatewayLoop) {
        hasFinished = true
        work(in: loop)
    }

    private func endIfDone(in loop: GatewayLoop) {
        guard !isOver, hasFinished, waiting == 0, unsent.isEmpty, loop.stack.readableCount(connection) == 0 else {
            return
        }
        isOver = true
        loop.streams[connection] = nil
        loop.stack.finish(connection, at: loop.time)
    }

    func closed(_ reason: CloseReason, in loop: GatewayLoop) { isOver = true }

    // Each question is judged by itself.
    func judgeAgain(in loop: GatewayLoop) {}

    func abort(in loop: GatewayLoop) {
        guard !isOver else { return }
        isOver = true
        loop.streams[connection] = nil
        loop.stack.abort(connection, at: loop.time)
    }

    func timeHasCome(in loop: GatewayLoop) -> UInt64? {
        if isOver { return nil }
        if lastUsed + Self.patience > loop.now { return lastUsed + Self.patience }
        abort(in: loop)
        return nil
    }
}
