/// What an interceptor says. Text in it comes from guests and servers in part: it is short and printable, and no value of a
/// secret is ever part of it.
public enum InterceptionEvent: Equatable, Sendable {
    /// It is configured, behind its walls, and takes connections.
    case ready(Standing)
    /// It cannot serve and ends: one line that says why.
    case failed(String)
    /// A connection or a request was refused.
    case refused(Refusal)
    /// A placeholder was passed on as it was, to a host that its secret is for, at a place where it is not replaced.
    case unreplaced(Refusal)
    /// A connection is over; its sockets are closed, or will be in a moment.
    case closed(Account)
    /// So many refusals were left out before this, since there were too many in a short time.
    case omitted(Int)

    /// What an interceptor that is ready has.
    public struct Standing: Codable, Equatable, Sendable {
        /// The authority's certificate (PEM), for the guest's trust stores.
        public var authority: String
        /// Walls that this host does not offer (`files`: no Landlock).
        public var missingWalls: [String]

        /// What an interceptor has.
        public init(authority: String, missingWalls: [String]) {
            self.authority = authority
            self.missingWalls = missingWalls
        }
    }

    /// Why something was refused.
    public enum Reason: String, Codable, Sendable {
        /// The ClientHello or a request names a host that is not allowed on this connection.
        case name
        /// A placeholder was on its way to a host that its secret is not for, or unprotected.
        case placeholder
        /// The server's certificate is not valid.
        case certificate
        /// The server could not be spoken to.
        case upstream
        /// What came is not what it should be.
        case malformed
        /// Too much or too slow.
        case limit
    }

    /// What was refused, and why.
    public struct Refusal: Codable, Equatable, Sendable {
        /// The connection.
        public var id: UInt64
        /// Why.
        public var reason: Reason
        /// The host that was named, if any.
        public var name: String?
        /// The name of the secret whose placeholder it was.
        public var secret: String?
        /// One line for people.
        public var detail: String

        /// A refusal.
        public init(id: UInt64, reason: Reason, name: String? = nil, secret: String? = nil, detail: String) {
            self.id = id
            self.reason = reason
            self.name = name
            self.secret = secret
            self.detail = detail
        }
    }

    /// What went through a connection, without what TLS adds.
    public struct Account: Codable, Equatable, Sendable {
        /// The connection.
        public var id: UInt64
        /// Bytes to the server.
        public var bytesOut: UInt64
        /// Bytes to the guest.
        public var bytesIn: UInt64
        /// Requests of HTTP.
        public var requests: UInt64
        /// What was spoken: `http/1`, `h2`, `opaque`, `bypassed`; `nil` when nothing was.
        public var spoken: String?

        /// What went through a connection.
        public init(id: UInt64, bytesOut: UInt64 = 0, bytesIn: UInt64 = 0, requests: UInt64 = 0, spoken: String? = nil)
        {
            self.id = id
            self.bytesOut = bytesOut
            self.bytesIn = bytesIn
            self.requests = requests
            self.spoken = spoken
        }
    }
}
