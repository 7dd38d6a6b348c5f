import NetworkAddress

/// A connection that an interceptor takes over. Two connected stream sockets come with it: the guest's side, from which
/// nothing that is said here has been read, and the server's, already connected. The sender closes its own copy of the
/// second, and keeps relaying between the guest and the other end of the first. It ends a connection by closing that end,
/// for example when its policy has changed.
public struct ConnectionOrder: Codable, Equatable, Sendable {
    /// What the guest speaks.
    public enum Scheme: String, Codable, Sendable {
        /// TLS; the ClientHello is still to be read.
        case tls
        /// HTTP/1 without TLS.
        case http
    }

    /// A number of the sender's choice, which comes back in events.
    public var id: UInt64
    /// What the guest speaks.
    public var scheme: Scheme
    /// The name in the ClientHello (RFC 6066 section 3) as the sender read it; `nil` when there is none. A connection
    /// whose ClientHello says something else is refused.
    public var serverName: String?
    /// Where the guest connected to.
    public var address: IPAddress
    /// Where the guest connected to.
    public var port: UInt16
    /// The hosts that requests may name; `nil` for any. With a list, requests within TLS must also name the host of the
    /// ClientHello.
    public var names: [HostPattern]?
    /// The names for which the sandbox's own DNS was given `address`, while that is fresh. Secrets go over plain HTTP only
    /// when the request names one of them.
    public var resolvedNames: [HostPattern]

    /// A connection.
    public init(
        id: UInt64, scheme: Scheme, serverName: String?, address: IPAddress, port: UInt16, names: [HostPattern]?,
        resolvedNames: [HostPattern] = []
    ) {
        self.id = id
        self.scheme = scheme
        self.serverName = serverName
        self.address = address
        self.port = port
        self.names = names
        self.resolvedNames = resolvedNames
    }
}
