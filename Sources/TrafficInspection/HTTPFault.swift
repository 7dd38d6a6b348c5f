/// Why bytes are no messages of HTTP/1 that can be followed with certainty.
public enum HTTPFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The head, a line of chunks or the trailers are too long.
    case tooLong
    /// The first line of a request is not as it has to be.
    case requestLine
    /// The first line of a response is not as it has to be.
    case statusLine
    /// A version other than 1.0 and 1.1.
    case version
    /// A line does not end in CR LF, or has one of them alone.
    case lineEnd
    /// A header that is none: continued on a second line, without a name, with a space before its colon.
    case header
    /// No `Host` in HTTP/1.1, several, one that is no host, or another than the target's.
    case host
    /// `Content-Length` or `Transfer-Encoding` twice, together, or not understood.
    case framing
    /// A chunk without a proper length or end.
    case chunk
    /// The server agreed to speak a protocol in which requests cannot be followed.
    case upgrade
    /// A further request after the server answered one whose body it had not asked for.
    case unexpectedRequest
    /// A response to no request.
    case unexpectedResponse

    /// What it is, for events.
    public var description: String {
        switch self {
        case .tooLong: "a head, chunk line or trailers of HTTP that are too long"
        case .requestLine: "a malformed request line"
        case .statusLine: "a malformed status line"
        case .version: "a version of HTTP that cannot be followed"
        case .lineEnd: "a line of HTTP that does not end in CR LF"
        case .header: "a malformed header"
        case .host: "a missing, repeated or malformed Host"
        case .framing: "an ambiguous length of a body"
        case .chunk: "a malformed chunk"
        case .upgrade: "a change to a protocol that cannot be followed"
        case .unexpectedRequest: "a request after a body that the server did not want"
        case .unexpectedResponse: "a response to no request"
        }
    }
}
