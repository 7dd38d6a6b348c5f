/// Follows every request on a connection of HTTP/1, so that the server each is for is known before it passes.
///
/// Whoever carries the client's bytes keeps those that have not passed, and asks `next` what to do with their front until
/// it says to wait. It is strict: what two parties could understand differently is a fault, and the connection is to be
/// closed.
public struct HTTPRequestTracker: Sendable {
    /// The most requests that wait for an answer.
    public static let maximumWaiting = 1000

    /// What is to be done with the bytes at the front.
    public enum Step: Hashable, Sendable {
        /// So many may pass; there is at least one.
        case pass(Int)
        /// So many bytes are the head of a request. They may pass if the request may; then ask on.
        case request(HTTPRequest, length: Int)
        /// Wait for more bytes of the client.
        case needMore
        /// Wait until the server has answered (`observe`): what follows depends on that.
        case needAnswer
        /// All bytes may pass from here on, and nobody needs to look any more.
        case opaque
        /// Nothing more may pass.
        case fault(HTTPFault)
    }

    private enum State {
        /// Requests are read.
        case following
        /// The head of a request for something else than HTTP/1 has passed.
        case change
        case opaque
        case fault(HTTPFault)
    }

    private var state = State.following
    private var reader = HTTPMessageReader(.requests)
    /// The requests without a final answer: the first is the one that is answered next.
    private var waiting: [HTTPRequest.Kind] = []
    private var responses = HTTPResponseTracker()
    /// Whether a request was answered before its body was through, although it waited to be told to send it: the server
    /// may take that body for requests.
    private var isSpent = false
    /// The last request passed, while its body does.
    private var isBodyExpected = false

    /// A connection on which nothing has been sent.
    public init() {}

    /// What is to be done with the front of the bytes that have not passed.
    public mutating func next(_ bytes: Span<UInt8>) -> Step {
        switch state {
        case .opaque: return .opaque
        case .fault(let fault): return .fault(fault)
        case .change: return .needAnswer
        case .following: break
        }
        return bytes.withUnsafeBytes { bytes in
            var passed = 0
            do throws(HTTPFault) {
                return try follow(bytes, &passed)
            } catch {
                // What goes before it passes, so that it does not matter how much comes at once.
                if passed > 0 { return .pass(passed) }
                state = .fault(error)
                return .fault(error)
            }
        }
    }

    private mutating func follow(_ bytes: UnsafeRawBufferPointer, _ passed: inout Int) throws(HTTPFault) -> Step {
        while true {
            if reader.isBeforeHead, let first = bytes[passed...].first {
                if isSpent { throw .unexpectedRequest }
                // An empty line before a request, which old clients send after a body (RFC 9112 section 2.2).
                if first == UInt8(ascii: "\r"), waiting.isEmpty { throw .requestLine }
                // A head is a step of its own.
                if passed > 0 { return .pass(passed) }
            }
            let (step, consumed) = try reader.step(UnsafeRawBufferPointer(rebasing: bytes[passed...]))
            switch step {
            case .more where consumed == 0: return passed > 0 ? .pass(passed) : .needMore
            case .more: passed += consumed
            case .body(let count): passed += consumed + count
            case .end:
                passed += consumed
                isBodyExpected = false
            case .head(let head): return .request(try begin(head), length: consumed)
            }
        }
    }

    private mutating func begin(_ head: HTTPHead) throws(HTTPFault) -> HTTPRequest {
        guard waiting.count < Self.maximumWaiting else { throw .tooLong }
        let request = try HTTPRequest(head, body: reader.body)
        let hasBody = request.body != .length(0)
        if request.isConnect || !request.upgrades.isEmpty {
            // A body in the way of a change is more than anyone needs, and one that no two servers treat alike.
            if hasBody { throw .framing }
            state = .change
        }
        waiting.append(request.kind)
        isBodyExpected = hasBody && request.expectsContinue
        return request
    }

    /// Whether every request that has passed was answered whole, so that something else can be said in the server's place.
    public var isAnswered: Bool { waiting.isEmpty && responses.isBetweenMessages }

    /// Looks at further bytes of the server, in order and all of them; they may pass before or after that. What the client
    /// may send after it asked for another protocol depends on the answer, so then ask `next` again.
    public mutating func observe(server bytes: Span<UInt8>) {
        // Moved out while it changes, so that it is not copied.
        var responses = self.responses
        self.responses = HTTPResponseTracker()
        let isFollowed = responses.feed(bytes, to: &self)
        self.responses = responses
        if !isFollowed, case .change = state { state = .fault(.upgrade) }
    }

    /// What was asked for by the request that is answered next.
    var answeredNext: HTTPRequest.Kind { waiting.first ?? .ordinary }

    /// A response has begun.
    mutating func answered(_ status: Int) {
        guard let kind = waiting.first else {
            if status == 101 { state = .fault(.upgrade) }
            return
        }
        guard status == 101 || status >= 200 else { return }
        waiting.removeFirst()
        if waiting.isEmpty, isBodyExpected { isSpent = true }
        guard case .change = state, waiting.isEmpty else {
            // A server that changes the protocol unasked.
            if status == 101 { state = .fault(.upgrade) }
            return
        }
        switch kind {
        case .connect where (200..<300).contains(status): state = .opaque
        case .upgrade where status == 101: state = .opaque
        default: state = status == 101 ? .fault(.upgrade) : .following
        }
    }
}
