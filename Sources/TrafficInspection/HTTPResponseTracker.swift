/// Follows the responses on a connection of HTTP/1, to know of each its status: what the client may send after a request
/// for another protocol depends on it. It holds nothing back, and judges nothing but that.
struct HTTPResponseTracker: Sendable {
    private enum State {
        case head
        case body(HTTPBodyTracker)
        /// The connection speaks something else now.
        case over
        /// What it speaks is not understood.
        case lost
    }

    private var state = State.head
    /// The bytes of a head that is not complete, or of a line of chunks.
    private var held: [UInt8] = []
    /// How many of the first bytes of an incomplete head are known to hold no end of it.
    private var scanned = 0

    /// Whether the last response is complete, and the next has not begun.
    var isBetweenMessages: Bool { if case .head = state { held.isEmpty } else { false } }

    /// Looks at further bytes of the server.
    ///
    /// - Parameter answered: told each status, also of responses before the final one; says what was asked for.
    /// - Returns: whether it can follow them.
    mutating func feed(_ bytes: Span<UInt8>, answered: (Int) -> HTTPRequest.Kind) -> Bool {
        switch state {
        case .over: return true
        case .lost: return false
        case .body(var body) where held.isEmpty:
            // Most bytes are a body's, and need no copy.
            guard let count = try? body.take(bytes) else { return lose() }
            state = body.isDone ? .head : .body(body)
            guard count < bytes.count else { return true }
            hold(bytes.extracting(count...))
        case .head, .body: hold(bytes)
        }
        var position = 0
        loop: while position < held.count {
            switch state {
            case .over, .lost: break loop
            case .body(var body):
                guard let count = try? body.take(held.span.extracting(position...)) else { return lose() }
                state = body.isDone ? .head : .body(body)
                position += count
                if count == 0, !body.isDone { break loop }
            case .head:
                guard let length = endOfHead(from: position) else { break loop }
                guard response(held[position..<position + length], answered: answered) else { return lose() }
                position += length
                scanned = 0
            }
        }
        held.removeFirst(position)
        if case .over = state { held = [] }
        return held.count <= HTTPRequestTracker.maximumHead || lose()
    }

    private mutating func hold(_ bytes: Span<UInt8>) {
        for index in bytes.indices { held.append(bytes[index]) }
    }

    private mutating func lose() -> Bool {
        state = .lost
        held = []
        return false
    }

    private mutating func endOfHead(from start: Int) -> Int? {
        var index = start + max(scanned, 3)
        while index < held.count {
            if held[index] == UInt8(ascii: "\n"), held[index - 1] == UInt8(ascii: "\r"),
                held[index - 2] == UInt8(ascii: "\n"), held[index - 3] == UInt8(ascii: "\r")
            {
                return index + 1 - start
            }
            index += 1
        }
        scanned = max(held.count - start, 3)
        return nil
    }

    /// Reads a head and goes over to what follows it; false when it is none.
    private mutating func response(_ bytes: ArraySlice<UInt8>, answered: (Int) -> HTTPRequest.Kind) -> Bool {
        guard let head = try? HTTPHead(bytes) else { return false }
        let words = head.first.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", words[1].utf8.count == 3,
            let status = Int(words[1]), status >= 100,
            let framing = try? head.body(minorVersion: words[0] == "HTTP/1.1" ? 1 : 0) ?? .untilClose
        else { return false }
        let kind = answered(status)
        switch status {
        case 101: state = .over
        case 100..<200, 204, 304: state = .head
        case 200..<300 where kind == .connect: state = .over
        default:
            let body = HTTPBodyTracker(kind == .head ? .length(0) : framing)
            state = body.isDone ? .head : .body(body)
        }
        return true
    }
}
