import NetworkAddress

/// What the head of a request of HTTP/1 says, as far as it matters on the way.
public struct HTTPRequest: Hashable, Sendable {
    /// `GET` and the like, as it came.
    public let method: String
    /// The target as it came: a path, a whole address, or the authority of CONNECT.
    public let target: String
    /// The server it is for. An authority in the target counts, and `Host` must say the same. `nil` when it is not said:
    /// in HTTP/1.0 without `Host`, or by an empty one.
    public let server: HostName?
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

extension HTTPRequest {
    /// Takes a request from its head.
    init(_ head: HTTPHead, body: HTTPBody) throws(HTTPFault) {
        guard case .request(let method, let target) = head.start else { throw .requestLine }
        self.method = String(decoding: method, as: UTF8.self)
        self.target = String(decoding: target, as: UTF8.self)
        minorVersion = head.minorVersion
        self.body = body
        upgrades = head.fields.members("upgrade").map { String(decoding: $0, as: UTF8.self) }
        expectsContinue = !head.fields.values("expect").isEmpty
        let hosts = head.fields.values("host")
        guard hosts.count <= 1, minorVersion == 0 || hosts.count == 1 else { throw .host }
        var host: HostName?
        if let text = hosts.first, !text.isEmpty {
            guard let authority = HostAndPort(text) else { throw .host }
            host = authority.host
        }
        let named: HostAndPort?
        if self.method == "CONNECT" {
            named = HostAndPort(target)
            guard named != nil else { throw .requestLine }
            guard body == .length(0) else { throw .framing }
        } else {
            named = try HostAndPort.named(inTarget: target)
        }
        // Servers go by the target (RFC 9112 section 3.2.2), some by the header: both have to say the same.
        if let named, named.host != host, host != nil || minorVersion == 1 { throw .host }
        server = named?.host ?? host
    }
}
