/// Which messages are read, and how strictly.
public enum HTTPReading: Hashable, Sendable {
    /// Requests. Strictly, since what a server makes of a lenient reading is unknown: whatever two could understand
    /// differently is a fault.
    case requests
    /// Responses, as leniently as the specification recommends.
    case responses
    /// Responses, as strictly as requests.
    case strictResponses

    /// Whether old ends of lines, folded fields and the like are understood.
    var isLenient: Bool { self == .responses }
}

/// Reads the messages that come in one direction of a connection of HTTP/1, one after the other. It keeps no bytes: it is
/// shown all that are there and says how many it is done with.
public struct HTTPMessageReader: Sendable {
    /// What comes next.
    public enum Step: Hashable, Sendable {
        /// Nothing until there is more, if it took no bytes.
        case more
        /// A head.
        case head(HTTPHead)
        /// So many bytes of the body, at the beginning of what is left.
        case body(Int)
        /// The end of the message, with the fields after its body.
        case end([HeaderField])
    }

    private enum State {
        case head(searched: Int)
        case sized(UInt64)
        case chunkSize
        case chunkData(UInt64)
        /// The end of the line after a chunk.
        case chunkEnd
        case trailers(searched: Int)
        case untilClose
        case over
    }

    /// Most bytes of a head.
    public static let longestHead = 64 << 10
    /// Most bytes of trailers.
    static let longestTrailers = 16 << 10
    /// Longest line of a chunk's size, its extensions included.
    static let longestChunkLine = 1024

    private let reading: HTTPReading
    private var state = State.head(searched: 0)
    /// The body of the message whose head was read last.
    public private(set) var body = HTTPBody.length(0)
    /// Whether the request that the next response answers is HEAD, so that it has no body; `nil` without a request.
    private var answersHEAD: Bool?

    /// Reads messages of this kind.
    public init(_ reading: HTTPReading) { self.reading = reading }

    /// Whether the beginning of a head is there, if any byte is.
    public var isBeforeHead: Bool { if case .head = state { true } else { false } }

    /// Lets the next response be that to a request, of HEAD or another method. Without a request no response is read.
    public mutating func expectResponse(toHEAD isHEAD: Bool) { answersHEAD = isHEAD }

    /// Reads on. When it throws it has taken nothing, and throws the same again.
    /// - Parameter bytes: everything that was not consumed yet.
    /// - Returns: what comes next, and how many bytes it took from the beginning. Of ``Step/body(_:)`` they are before the
    ///   body's.
    public mutating func step(_ bytes: UnsafeRawBufferPointer) throws(HTTPFault) -> (step: Step, consumed: Int) {
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
            if bytes.first == 10, reading.isLenient {
                state = .chunkSize
                return (.body(0), 1)
            }
            guard bytes.first ?? 13 == 13, bytes.count < 2 || bytes[1] == 10 else { throw .chunk }
            guard bytes.count >= 2 else { return (.more, 0) }
            state = .chunkSize
            return (.body(0), 2)
        case .trailers(let searched):
            guard let end = try end(of: bytes, searched: searched, limit: Self.longestTrailers) else {
                state = .trailers(searched: bytes.count)
                return (.more, 0)
            }
            let fields = try HTTPHeadParser.trailers(UnsafeRawBufferPointer(rebasing: bytes[..<end]), reading)
            return (finish(fields).step, end)
        case .untilClose:
            return bytes.isEmpty ? (.more, 0) : (.body(bytes.count), 0)
        case .over: throw .unexpectedResponse
        }
    }

    /// What the end of the connection means.
    /// - Returns: whether it ends a message, as it must where nothing else does.
    /// - Throws: ``HTTPFault/framing`` when it comes in the middle of one.
    public mutating func connectionEnded() throws(HTTPFault) -> Bool {
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

    /// Where a head or trailers end; `nil` while that has not come.
    private func end(of bytes: UnsafeRawBufferPointer, searched: Int, limit: Int) throws(HTTPFault) -> Int? {
        let end = HTTPHeadParser.end(of: bytes, searched: searched)
        guard end ?? (bytes.count + 1) <= limit else { throw .tooLong }
        return end
    }

    private mutating func head(
        _ bytes: UnsafeRawBufferPointer, searched: Int
    ) throws(HTTPFault) -> (step: Step, consumed: Int) {
        guard let first = bytes.first else { return (.more, 0) }
        // Empty lines are left out (section 2.2).
        if reading.isLenient, first == 13 || first == 10 {
            state = .head(searched: 0)
            return (.more, bytes.prefix { $0 == 13 || $0 == 10 }.count)
        }
        if reading == .requests, first == 13 {
            guard bytes.count > 1 else { return (.more, 0) }
            guard bytes[1] == 10 else { throw .lineEnd }
            return (.more, 2)
        }
        guard let end = try end(of: bytes, searched: searched, limit: Self.longestHead) else {
            state = .head(searched: bytes.count)
            return (.more, 0)
        }
        if reading != .requests, answersHEAD == nil { throw .unexpectedResponse }
        var head = try HTTPHeadParser.head(UnsafeRawBufferPointer(rebasing: bytes[..<end]), reading)
        let body = try body(of: &head)
        switch body {
        case .length(let length): state = .sized(length)
        case .chunked: state = .chunkSize
        case .untilClose: state = .untilClose
        }
        self.body = body
        if case .response(let status, _) = head.start, status >= 200 || status == 101 { answersHEAD = nil }
        return (.head(head), end)
    }

    /// How the end of the body is found. A length that does not count is taken out of the head.
    private func body(of head: inout HTTPHead) throws(HTTPFault) -> HTTPBody {
        let said = reading.isLenient ? nil : try head.strictBody()
        guard case .response(let status, _) = head.start else { return said ?? .length(0) }
        if status < 200 || status == 204 || status == 304 || answersHEAD == true {
            return .length(0)
        }
        return reading.isLenient ? try head.lenientBody() : said ?? .untilClose
    }

    private mutating func chunkSize(
        _ bytes: UnsafeRawBufferPointer
    ) throws(HTTPFault) -> (step: Step, consumed: Int) {
        let feed = ByteSearch.first(10, in: bytes)
        guard feed ?? bytes.count < Self.longestChunkLine else { throw .tooLong }
        guard let feed else { return (.more, 0) }
        let endsInReturn = feed > 0 && bytes[feed - 1] == 13
        let line = UnsafeRawBufferPointer(rebasing: bytes[..<(endsInReturn ? feed - 1 : feed)])
        // A stray carriage return is no end of a line to everybody.
        guard endsInReturn || reading.isLenient, ByteSearch.first(13, in: line) == nil else { throw .lineEnd }
        let digits = line.prefix { ASCII.hexadecimal($0) != nil }
        // A number of 15 digits cannot overflow.
        guard (1...15).contains(digits.count) else { throw .chunk }
        // Extensions are left out. Some servers have spaces after the number.
        let extensions = reading.isLenient ? ASCII.trimmed(line[digits.count...]) : Array(line[digits.count...])
        guard extensions.first ?? UInt8(ascii: ";") == UInt8(ascii: ";"),
            reading.isLenient || extensions.allSatisfy(HTTPHeadParser.isValueByte)
        else { throw .chunk }
        let size = digits.reduce(UInt64(0)) { $0 << 4 | UInt64(ASCII.hexadecimal($1) ?? 0) }
        state = size > 0 ? .chunkData(size) : .trailers(searched: 0)
        return (.body(0), feed + 1)
    }
}
