import NetworkAddress

/// A proxy through which all TCP connections of a sandbox go.
public struct UpstreamProxy: Codable, Hashable, Sendable {
    /// How it is spoken to.
    public enum Scheme: String, Codable, Sendable {
        /// HTTP CONNECT (RFC 9110 section 9.3.6).
        case http
        /// SOCKS version 5 (RFC 1928).
        case socks5
    }

    /// How it is spoken to.
    public var scheme: Scheme
    /// Its address.
    public var address: IPAddress
    /// Its port.
    public var port: UInt16

    /// Reads `http://ADDRESS:PORT` or `socks5://ADDRESS:PORT`; an address of IPv6 stands in brackets, and `localhost` is the
    /// host itself.
    /// - Throws: ``StateError/badProxy(_:reason:)``.
    public init(_ text: String) throws(StateError) {
        func refuse(_ reason: String) -> StateError { .badProxy(text.contains("@") ? "…" : text, reason: reason) }
        guard let mark = text.firstRange(of: "://"), let scheme = Scheme(rawValue: String(text[..<mark.lowerBound]))
        else {
            throw refuse("write http://ADDRESS:PORT or socks5://ADDRESS:PORT")
        }
        var rest = text[mark.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        // They would stand in the sandbox's record, and in the list of processes.
        guard !rest.contains("@") else { throw refuse("a user and a password cannot be given here") }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0 else {
            throw refuse("it has no port from 1 to 65535")
        }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host == "localhost" ? "127.0.0.1" : host) else {
            throw refuse("'\(host)' is no IP address")
        }
        self.scheme = scheme
        self.address = address
        self.port = port
    }
}
