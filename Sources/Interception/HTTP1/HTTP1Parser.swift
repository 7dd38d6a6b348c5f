import TrafficInspection

/// Reads the messages that come in one direction of a connection of HTTP/1, one after the other. It keeps no bytes: it is
/// shown all that are there and says how many it is done with.
struct HTTP1Parser {
    /// What comes next.
    enum Step: Equatable {
        /// Nothing until there is more.
        case more
        /// A head.
        case head(HTTP1Head)
        /// So many bytes of the body, at the beginning of what is left.
        case body(Int)
        /// The end of the message, with the fields after its body.
        case end([HeaderField])
    }

    /// How the end of a body is known (RFC 9112 section 6.3).
    enum Framing: Equatable {
        case none
        case length(UInt64)
        case chunked
        /// It ends with the connection.
        case close
    }

    private enum State: Equatable {
        case head(searched: Int)
        case sized(UInt64)
        case chunkSize
        case chunkData(UInt64)
        case chunkEnd
        case trailers(searched: Int)
        case untilClose
        case over
    }

    /// Longest line of a chunk's size, its extensions included.
    private static let longestChunkLine = 4096

    private let isRequest: Bool
    private var state = State.head(searched: 0)
    /// The body of the message whose head was read last.
    private(set) var framing = Framing.none
    /// The method of the request that the next response answers, which says whether it has a body.
    private var requestMethod: [UInt8]?

    /// Reads requests, or responses.
    init(isRequest: Bool) { self.isRequest = isRequest }

    /// Whether the beginning of a head is there, if any byte is.
    var isBeforeHead: Bool { if case .head = state { true } else { false } }

    /// Lets the next response be that to a request with this method.
    mutating func expectResponse(to method: [UInt8]) { requestMethod = method }

    /// Reads on.
    /// - Parameter bytes: everything that was not consumed yet.
    /// - Returns: what comes next, and how many bytes it took from the beginning. Of ``Step/body(_:)`` they are before the
    ///   body's.
    mutating func step(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Error) -> (step: Step, consumed: Int) {
        switch state {
        case .head(let searched): return try head(bytes, searched: searched)
        case .sized(let left):
            guard left > 0 else { return finish([]) }
            guard !bytes.isEmpty else { return (.more, 0) }
            let count = Int(min(UInt64(bytes.count), left))
            state = .sized(left - UInt64(count))
            return (.body(count), 0)
        case .chunkSize: return try chunkSize(bytes)
        case .chunkData(let left):
            guard !bytes.isEmpty else { return (.more, 0) }
            let count = Int(min(UInt64(bytes.count), left))
            state = left == UInt64(count) ? .chunkEnd : .chunkData(left - UInt64(count))
            return (.body(count), 0)
        case .chunkEnd:
            if bytes.first == 10, !isRequest {
                state = .chunkSize
                return (.body(0), 1)
            }
            guard bytes.first ?? 13 == 13, bytes.count < 2 || bytes[1] == 10 else { throw .chunk }
            guard bytes.count >= 2 else { return (.more, 0) }
            state = .chunkSize
            return (.body(0), 2)
        case .trailers(let searched):
            guard let end = HTTP1HeadParser.end(of: bytes, searched: searched) else {
                guard bytes.count < HTTP1HeadParser.longest else { throw .tooLong }
                state = .trailers(searched: bytes.count)
                return (.more, 0)
            }
            guard end <= HTTP1HeadParser.longest else { throw .tooLong }
            let fields = try HTTP1HeadParser.trailers(
                UnsafeRawBufferPointer(rebasing: bytes[..<end]), isRequest: isRequest)
            return (finish(fields).step, end)
        case .untilClose:
            return bytes.isEmpty ? (.more, 0) : (.body(bytes.count), 0)
        case .over: throw .unexpected
        }
    }

    /// What the end of the connection means.
    /// - Returns: whether it ends a message, as it must where nothing else does.
    /// - Throws: ``HTTP1Error`` when it comes in the middle of one.
    mutating func connectionEnded() throws(HTTP1Error) -> Bool {
        switch state {
        case .untilClose:
            state = .over
            return true
        case .head, .over: return false
        default: throw .framing
        }
    }

    private mutating func finish(_ trailers: [HeaderField]) -> (step: Step, consumed: Int) {
        state = .head(searched: 0)
        return (.end(trailers), 0)
    }

    private mutating func head(
        _ bytes: UnsafeRawBufferPointer, searched: Int
    ) throws(HTTP1Error) -> (step: Step, consumed: Int) {
        // Empty lines before a request are left out (section 2.2).
        var skipped = 0
        while skipped < bytes.count, bytes[skipped] == 13 || bytes[skipped] == 10 { skipped += 1 }
        guard skipped == 0 else {
            state = .head(searched: 0)
            return (.more, skipped)
        }
        guard !bytes.isEmpty else { return (.more, 0) }
        guard let end = HTTP1HeadParser.end(of: bytes, searched: searched) else {
            guard bytes.count < HTTP1HeadParser.longest else { throw .tooLong }
            state = .head(searched: bytes.count)
            return (.more, 0)
        }
        guard end <= HTTP1HeadParser.longest else { throw .tooLong }
        if !isRequest, requestMethod == nil { throw .unexpected }
        var head = try HTTP1HeadParser.head(UnsafeRawBufferPointer(rebasing: bytes[..<end]), isRequest: isRequest)
        framing = isRequest ? try requestFraming(head) : try responseFraming(&head)
        switch framing {
        case .none: state = .sized(0)
        case .length(let length): state = .sized(length)
        case .chunked: state = .chunkSize
        case .close: state = .untilClose
        }
        if case .response(let status, _) = head.start, status >= 200 || status == 101 { requestMethod = nil }
        return (.head(head), end)
    }

    private func requestFraming(_ head: HTTP1Head) throws(HTTP1Error) -> Framing {
        let codings = head.fields.values("transfer-encoding")
        let lengths = head.fields.values("content-length")
        guard codings.isEmpty else {
            // Anything that two readers could understand differently is refused (section 6.1).
            guard lengths.isEmpty, head.minorVersion == 1, codings.count == 1,
                codings[0].map(ASCII.lowercased).elementsEqual("chunked".utf8)
            else { throw .framing }
            return .chunked
        }
        guard !lengths.isEmpty else { return .none }
        guard lengths.count == 1, let length = Self.length(lengths[0]) else { throw .framing }
        return .length(length)
    }

    /// Leaves out a length that does not count.
    private func responseFraming(_ head: inout HTTP1Head) throws(HTTP1Error) -> Framing {
        guard case .response(let status, _) = head.start else { throw .startLine }
        if status < 200 || status == 204 || status == 304 || (requestMethod?.elementsEqual("HEAD".utf8) ?? false) {
            return .none
        }
        let codings = head.fields.members("transfer-encoding")
        if let last = codings.last {
            head.fields.removeAll { $0.isNamed("content-length") }
            return last.elementsEqual("chunked".utf8) && head.minorVersion == 1 ? .chunked : .close
        }
        let lengths = head.fields.members("content-length")
        guard let first = lengths.first else { return .close }
        guard lengths.allSatisfy({ $0 == first }), let length = Self.length(first) else { throw .framing }
        return .length(length)
    }

    private static func length(_ bytes: [UInt8]) -> UInt64? {
        guard (1...18).contains(bytes.count), bytes.allSatisfy(ASCII.isDigit) else { return nil }
        return bytes.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
    }

    private mutating func chunkSize(
        _ bytes: UnsafeRawBufferPointer
    ) throws(HTTP1Error) -> (step: Step, consumed: Int) {
        guard let feed = ByteSearch.first(10, in: bytes) else {
            guard bytes.count < Self.longestChunkLine else { throw .chunk }
            return (.more, 0)
        }
        guard feed < Self.longestChunkLine, !isRequest || feed > 0 && bytes[feed - 1] == 13 else { throw .chunk }
        let line = UnsafeRawBufferPointer(rebasing: bytes[..<(feed > 0 && bytes[feed - 1] == 13 ? feed - 1 : feed)])
        let digits = line.prefix { ASCII.hexadecimal($0) != nil }
        guard (1...15).contains(digits.count) else { throw .chunk }
        // Extensions are left out; a stray carriage return in one is no end of a line to everybody.
        let rest = ASCII.trimmed(line.dropFirst(digits.count))
        guard rest.first ?? UInt8(ascii: ";") == UInt8(ascii: ";"), !rest.contains(13) else { throw .chunk }
        let size = digits.reduce(UInt64(0)) { $0 << 4 | UInt64(ASCII.hexadecimal($1) ?? 0) }
        state = size > 0 ? .chunkData(size) : .trailers(searched: 0)
        return (.body(0), feed + 1)
    }
}
