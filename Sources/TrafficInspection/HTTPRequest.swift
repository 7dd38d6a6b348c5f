/// What the head of a request of HTTP/1 says, as far as it matters on the way.
public struct HTTPRequest: Hashable, Sendable {
    /// `GET` and the like, as it came.
    public let method: String
    /// The target as it came: a path, a whole address, or the authority of CONNECT.
    public let target: String
    /// The server it is for. An authority in the target counts, and `Host` must say the same.
    public let server: ServerName
    /// 0 or 1, of HTTP/1.0 or HTTP/1.1.
    public let minorVersion: Int
    /// What follows the head.
    public let body: HTTPBody
    /// The protocols it asks to go on with, in lower case; none for most.
    public let upgrades: [String]
    /// Whether the client may wait for `100 Continue` before its body.
    public let expectsContinue: Bool

    /// Whether a tunnel is asked for.
    public var isConnect: Bool { method == "CONNECT" }
}

extension HTTPRequest {
    /// What its answer may be, besides an ordinary one.
    enum Kind: Hashable, Sendable {
        case ordinary
        /// A head that speaks of a body which does not follow.
        case head
        /// A tunnel.
        case connect
        /// Another protocol, which can be followed or need not be.
        case upgrade
        /// Another protocol, with requests or names of its own: HTTP/2 in clear text (`h2c`), HTTP itself, TLS.
        case blindUpgrade
    }

    var kind: Kind {
        if isConnect { return .connect }
        if !upgrades.isEmpty {
            let isBlind = upgrades.contains { upgrade in ["h2", "h3", "http", "tls"].contains { upgrade.hasPrefix($0) }
            }
            return isBlind ? .blindUpgrade : .upgrade
        }
        return method == "HEAD" ? .head : .ordinary
    }
}

/// How the end of a message's body is found (RFC 9112 section 6.3).
public enum HTTPBody: Hashable, Sendable {
    /// So many bytes, which may be none.
    case length(UInt64)
    /// In chunks.
    case chunked
    /// Up to the end of the connection; of responses only.
    case untilClose
}

/// Why bytes are no requests that can be followed with certainty.
public enum HTTPFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The head, a line of chunks or the trailers are too long.
    case tooLong
    /// The first line is not as it has to be.
    case requestLine
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

    /// What it is, for events.
    public var description: String {
        switch self {
        case .tooLong: "a head, chunk line or trailers of HTTP that are too long"
        case .requestLine: "a malformed request line"
        case .version: "a version of HTTP that cannot be followed"
        case .lineEnd: "a line of HTTP that does not end in CR LF"
        case .header: "a malformed header"
        case .host: "a missing, repeated or malformed Host"
        case .framing: "an ambiguous length of a body"
        case .chunk: "a malformed chunk"
        case .upgrade: "a change to a protocol that cannot be followed"
        case .unexpectedRequest: "a request after a body that the server did not want"
        }
    }
}
