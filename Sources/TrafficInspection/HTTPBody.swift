/// How the end of a message's body is found (RFC 9112 section 6.3).
public enum HTTPBody: Hashable, Sendable {
    /// So many bytes, which may be none.
    case length(UInt64)
    /// In chunks.
    case chunked
    /// Up to the end of the connection; of responses only.
    case untilClose
}

extension HTTPHead {
    /// What the fields say of the end of the body, where anything that two readers could understand differently is a fault
    /// (section 6.1); `nil` when they say nothing.
    func strictBody() throws(HTTPFault) -> HTTPBody? {
        let (lengths, codings) = (fields.values("content-length"), fields.values("transfer-encoding"))
        guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty else { throw .framing }
        if let coding = codings.first {
            // Who speaks HTTP/1.0 knows no chunks, and somebody on the way may go by that.
            guard coding.lazy.map(ASCII.lowercased).elementsEqual("chunked".utf8), minorVersion == 1 else {
                throw .framing
            }
            return .chunked
        }
        return try lengths.first.map(Self.length)
    }

    /// How the end of a response's body is found, as the specification recommends. A length that does not count is taken
    /// out.
    mutating func lenientBody() throws(HTTPFault) -> HTTPBody {
        if let last = fields.members("transfer-encoding").last {
            fields.removeAll { $0.isNamed("content-length") }
            return last.elementsEqual("chunked".utf8) && minorVersion == 1 ? .chunked : .untilClose
        }
        let lengths = fields.members("content-length")
        guard let first = lengths.first else { return .untilClose }
        guard lengths.allSatisfy({ $0 == first }) else { throw .framing }
        return try Self.length(first)
    }

    private static func length(_ bytes: [UInt8]) throws(HTTPFault) -> HTTPBody {
        // A number of 18 digits cannot overflow.
        guard (1...18).contains(bytes.count), bytes.allSatisfy(ASCII.isDigit) else { throw .framing }
        return .length(bytes.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) })
    }
}
