/// Follows every request on a connection of HTTP/1, so that the server each is for is known before it passes.
///
/// Whoever carries the client's bytes keeps those that have not passed, and asks `next` what to do with their front until
/// it says to wait. It is strict: what two parties could understand differently is a fault, and the connection is to be
/// closed.
public struct HTTPRequestTracker: Sendable {
    /// The most bytes of a head.
    public static let maximumHead = 64 << 10
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
        case head
        case body(HTTPBodyTracker)
        /// The head of a request for something else than HTTP/1 has passed.
        case change
        case opaque
        case fault(HTTPFault)
    }

    private var state = State.head
    /// How many bytes at the front are known to hold no end of a head.
    private var scanned = 0
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
        case .body(var body):
            do throws(HTTPFault) {
                let count = try body.take(bytes)
                state = body.isDone ? .head : .body(body)
                if body.isDone { isBodyExpected = false }
                return count > 0 ? .pass(count) : .needMore
            } catch { return fail(error) }
        case .head: return head(bytes)
        }
    }

    private mutating func fail(_ fault: HTTPFault) -> Step {
        state = .fault(fault)
        return .fault(fault)
    }

    private mutating func head(_ bytes: Span<UInt8>) -> Step {
        guard !bytes.isEmpty else { return .needMore }
        if isSpent { return fail(.unexpectedRequest) }
        // An empty line before a request, which old clients send after a body (RFC 9112 section 2.2).
        if bytes[0] == UInt8(ascii: "\r"), !waiting.isEmpty {
            guard bytes.count > 1 else { return .needMore }
            return bytes[1] == UInt8(ascii: "\n") ? .pass(2) : fail(.lineEnd)
        }
        guard let length = endOfHead(bytes) else {
            return bytes.count < Self.maximumHead ? .needMore : fail(.tooLong)
        }
        guard length <= Self.maximumHead, waiting.count < Self.maximumWaiting else { return fail(.tooLong) }
        scanned = 0
        do throws(HTTPFault) {
            let request = try HTTPRequest(head: bytes.copy(length))
            waiting.append(request.kind)
            if request.isConnect || !request.upgrades.isEmpty, request.body == .length(0) {
                state = .change
            } else if !request.upgrades.isEmpty {
                // A body in the way of a change is more than anyone needs, and one that no two servers treat alike.
                return fail(.framing)
            } else {
                let body = HTTPBodyTracker(request.body)
                state = body.isDone ? .head : .body(body)
                isBodyExpected = !body.isDone && request.expectsContinue
            }
            return .request(request, length: length)
        } catch { return fail(error) }
    }

    /// How many bytes a head has that ends within these. A line feed without its carriage return ends no line here, but
    /// does for some: it is found when the lines are read.
    private mutating func endOfHead(_ bytes: Span<UInt8>) -> Int? {
        var index = max(scanned, 1)
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\n") {
                if bytes[index - 1] == UInt8(ascii: "\n") { return index + 1 }
                if index >= 2, bytes[index - 1] == UInt8(ascii: "\r"), bytes[index - 2] == UInt8(ascii: "\n") {
                    return index + 1
                }
            }
            index += 1
        }
        scanned = max(bytes.count, 1)
        return nil
    }

    /// Whether every request that has passed was answered whole, so that something else can be said in the server's place.
    public var isAnswered: Bool { waiting.isEmpty && responses.isBetweenMessages }

    /// Looks at further bytes of the server, in order and all of them; they may pass before or after that. What the client
    /// may send after it asked for another protocol depends on the answer, so then ask `next` again.
    public mutating func observe(server bytes: Span<UInt8>) {
        var (responses, tracker) = (self.responses, self)
        self.responses = HTTPResponseTracker()
        let isFollowed = responses.feed(bytes) { status in tracker.answered(status) }
        self = tracker
        self.responses = responses
        if !isFollowed, case .change = state { state = .fault(.upgrade) }
    }

    /// A response has begun.
    ///
    /// - Returns: what was asked for by the request that it answers, or goes before the answer of.
    private mutating func answered(_ status: Int) -> HTTPRequest.Kind {
        guard let kind = waiting.first else {
            if status == 101 { state = .fault(.upgrade) }
            return .ordinary
        }
        guard status == 101 || status >= 200 else { return kind }
        waiting.removeFirst()
        if waiting.isEmpty, isBodyExpected { isSpent = true }
        guard case .change = state, waiting.isEmpty else {
            // A server that changes the protocol unasked.
            if status == 101 { state = .fault(.upgrade) }
            return kind
        }
        switch kind {
        case .connect where (200..<300).contains(status): state = .opaque
        case .upgrade where status == 101: state = .opaque
        default: state = status == 101 ? .fault(.upgrade) : .head
        }
        return kind
    }
}
