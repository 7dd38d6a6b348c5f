import Glibc
import NetworkStack

/// A connection of the stack that follows a script.
final class ScriptedConnection {
    let id: ConnectionID
    private let stack: NetworkStack
    private var reader: ArraySlice<Script.Step>
    private var writer: ArraySlice<Script.Step>
    private var stepReceived = 0
    private var stepSent = 0
    private var received = 0
    private var sent = 0
    private var isRight = true
    private var sawEnd = false
    var isEstablished = false
    var hasFinished = false
    var closed: CloseReason?
    private var readerPause: Instant?
    private var writerPause: Instant?
    private var didReset = false
    /// When it is no longer waited for, after its script is at its end.
    private var patience: Instant?

    init(_ id: ConnectionID, _ script: Script, _ stack: NetworkStack) {
        self.id = id
        self.stack = stack
        reader = script.reader[...]
        writer = script.writer[...]
    }

    /// When it goes on by itself.
    var deadline: Instant? { [readerPause, writerPause, patience].compactMap(\.self).min() }

    /// Whether nothing will change any more.
    func isDone(at now: Instant) -> Bool {
        if didReset || patience.map({ $0 <= now }) ?? false { return true }
        // What ended well is still there to be read to its end.
        return closed.map { $0 != .closed || reader.isEmpty } ?? false
    }

    /// What came of it, in the words of `compare.py`.
    var outcome: String {
        let end: String =
            switch closed {
            case _ where didReset: "closed"
            case .closed: "closed"
            // What was reset after all was said and done did not end otherwise.
            case .reset where reader.isEmpty && writer.isEmpty: "closed"
            case .reset: "reset"
            case .refused: "refused"
            case .timedOut: "timeout"
            case .unreachable: "unreachable"
            case nil: reader.isEmpty && writer.isEmpty ? "closed" : "open"
            }
        return "received=\(received) right=\(isRight ? 1 : 0) eof=\(sawEnd ? 1 : 0) end=\(end)"
    }

    /// Does what can be done now; whether the link is to be cut.
    func work(at now: Instant) -> Bool {
        guard !didReset else { return false }
        while read(at: now) {}
        guard isEstablished else { return false }
        var cuts = false
        while let step = writer.first, let cut = write(step, at: now) {
            writer = writer.dropFirst()
            stepSent = 0
            if cut { cuts = true }
            if didReset { break }
            while read(at: now) {}
        }
        if !didReset, reader.isEmpty, writer.isEmpty, patience == nil {
            // As a program that ends: the kernel goes on by itself.
            stack.finish(id, at: now)
            patience = now.advanced(by: 3_000_000_000)
        }
        return cuts
    }

    /// Takes a step of reading; whether it was done.
    private func read(at now: Instant) -> Bool {
        switch reader.first {
        case .pause(let length):
            guard pause(&readerPause, length, now) else { return false }
        case .receive(let count):
            take(count - stepReceived, at: now)
            guard stepReceived == count else { return false }
        case .receiveAll:
            take(.max, at: now)
            guard hasFinished, stack.readableCount(id) == 0 else { return false }
            sawEnd = true
        default: return false
        }
        reader = reader.dropFirst()
        stepReceived = 0
        return true
    }

    private func take(_ limit: Int, at now: Instant) {
        var left = limit
        while left > 0 {
            let count = stack.read(id, at: now) { bytes in
                let count = min(bytes.count, left, Pattern.length)
                let isSame = Pattern.part(received, count).withUnsafeBytes { expected in
                    guard let one = expected.baseAddress, let other = bytes.baseAddress else { return true }
                    // Both have `count` bytes.
                    return memcmp(one, other, count) == 0
                }
                if !isSame { isRight = false }
                return count
            }
            guard count > 0 else { return }
            received += count
            stepReceived += count
            left -= count
        }
    }

    /// Takes a step of writing: whether the link is to be cut, or `nil` when the step is not done.
    private func write(_ step: Script.Step, at now: Instant) -> Bool? {
        switch step {
        case .send(let count):
            while stepSent < count {
                let part = Pattern.part(sent, min(count - stepSent, Pattern.length))
                let written = stack.write(id, part, at: now)
                guard written > 0 else {
                    _ = stack.writableCount(id)
                    return nil
                }
                sent += written
                stepSent += written
            }
        case .pause(let length): guard pause(&writerPause, length, now) else { return nil }
        case .finish: stack.finish(id, at: now)
        case .awaitReader: guard reader.isEmpty else { return nil }
        case .reset:
            stack.abort(id, at: now)
            didReset = true
        case .cut: return true
        default: return nil
        }
        return false
    }

    private func pause(_ until: inout Instant?, _ length: UInt64, _ now: Instant) -> Bool {
        guard let end = until else {
            until = now.advanced(by: length)
            return false
        }
        guard end <= now else { return false }
        until = nil
        return true
    }
}
