/// Follows the responses on a connection of HTTP/1, to know of each its status: what the client may send after a request
/// for another protocol depends on it. It holds nothing back, and judges nothing but that.
struct HTTPResponseTracker: Sendable {
    private enum State {
        case following
        /// The connection speaks something else now.
        case over
        /// What it speaks is not understood.
        case lost
    }

    private var state = State.following
    private var reader = HTTPMessageReader(.strictResponses)
    /// The bytes of a head or of trailers that are not complete, or of a line of chunks.
    private var held: [UInt8] = []

    /// Whether the last response is complete, and the next has not begun.
    var isBetweenMessages: Bool { if case .following = state { reader.isBeforeHead && held.isEmpty } else { false } }

    /// Looks at further bytes of the server.
    ///
    /// - Parameter requests: what was asked for; is told each status, also of responses before the final one.
    /// - Returns: whether it can follow them.
    mutating func feed(_ bytes: Span<UInt8>, to requests: inout HTTPRequestTracker) -> Bool {
        switch state {
        case .over: return true
        case .lost: return false
        case .following: break
        }
        do throws(HTTPFault) {
            if held.isEmpty {
                // Most bytes are a body's, and need no copy.
                try bytes.withUnsafeBytes { bytes throws(HTTPFault) in
                    let passed = try follow(bytes, &requests)
                    held += bytes[passed...]
                }
            } else {
                var held = self.held
                self.held = []
                bytes.withUnsafeBytes { held += $0 }
                let passed = try held.span.withUnsafeBytes { bytes throws(HTTPFault) in try follow(bytes, &requests) }
                held.removeFirst(passed)
                self.held = held
            }
            return true
        } catch {
            state = .lost
            return false
        }
    }

    /// How many bytes need not be seen again.
    private mutating func follow(
        _ bytes: UnsafeRawBufferPointer, _ requests: inout HTTPRequestTracker
    ) throws(HTTPFault) -> Int {
        var position = 0
        while true {
            let kind = requests.answeredNext
            reader.expectResponse(toHEAD: kind == .head)
            let (step, consumed) = try reader.step(UnsafeRawBufferPointer(rebasing: bytes[position...]))
            position += consumed
            switch step {
            case .more: if consumed == 0 { return position }
            case .body(let count): position += count
            case .end: break
            case .head(let head):
                guard case .response(let status, _) = head.start else { continue }
                requests.answered(status)
                if status == 101 || kind == .connect && (200..<300).contains(status) {
                    state = .over
                    return bytes.count
                }
            }
        }
    }
}
