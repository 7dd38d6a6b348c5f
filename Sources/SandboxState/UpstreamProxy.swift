import NetworkAddress

/// A proxy through which all TCP connections of a sandbox go, as its gateway is told of it. Records have a
/// ``ProxyReference`` instead.
public struct UpstreamProxy: Hashable, Sendable {
    /// How it is spoken to.
    public enum Scheme: String, Sendable {
        /// HTTP CONNECT (RFC 9110 section 9.3.6).
        case http
        /// SOCKS version 5 (RFC 1928).
        case socks5
    }

    /// Where it is.
    public enum Host: Hashable, Sendable {
        case address(IPAddress)
        /// A name that the host knows.
        case name(DomainName)
    }

    /// How it is spoken to.
    public let scheme: Scheme
    /// Where it is.
    public let host: Host
    /// Its port, not 0.
    public let port: UInt16
    /// Who it is told that we are.
    public let credentials: ProxyCredentials?

    /// Reads `http://HOST:PORT` or `socks5://HOST:PORT`, where `HOST` is a name, an address, or an address of IPv6 in
    /// brackets, and before it may stand `USER:PASSWORD@`.
    /// - Parameter name: what the text is called in errors, which never show a part of one with an `@`.
    /// - Throws: ``StateError/badProxy(_:reason:)``.
    public init(_ text: String, named name: String? = nil) throws(StateError) {
        func refuse(_ reason: String) -> StateError {
            .badProxy(name ?? (text.contains("@") ? "…" : text), reason: reason)
        }
        guard let mark = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: text[..<mark.lowerBound].lowercased())
        else { throw refuse("write http://HOST:PORT or socks5://HOST:PORT") }
        var rest = text[mark.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        var credentials: ProxyCredentials?
        if let at = rest.lastIndex(of: "@") {
            do { credentials = try ProxyCredentials(userInfo: rest[..<at]) } catch { throw refuse(error.reason) }
            rest = rest[rest.index(after: at)...]
        }
        if scheme == .socks5, let credentials, credentials.user.isEmpty || credentials.password.isEmpty {
            throw refuse("SOCKS takes a user and a password of 1 to 255 bytes each")
        }
        guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]), port > 0,
            !rest.contains("+")
        else { throw refuse("it has no port from 1 to 65535") }
        let host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]"), let address = IPAddress(host.dropFirst().dropLast()) {
            self.host = .address(address)
        } else if let address = IPAddress(host), address.isV4 {
            self.host = .address(address)
        } else if let name = DomainName(host) {
            self.host = .name(name)
        } else {
            throw refuse("its host is neither a name nor an address")
        }
        (self.scheme, self.port, self.credentials) = (scheme, port, credentials)
    }
}

extension UpstreamProxy: CustomStringConvertible {
    /// Where it is, without user and password.
    public var description: String {
        switch host {
        case .address(let address): "\(scheme.rawValue)://\(Endpoint(address, port))"
        case .name(let name): "\(scheme.rawValue)://\(name):\(port)"
        }
    }
}
