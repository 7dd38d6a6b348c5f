/// What an interceptor is told once, before its first connection. The values of secrets come with it as ``SecretValues``, so
/// that nobody on the way reads them; see ``InterceptionSocket``.
public struct InterceptionConfiguration: Codable, Equatable, Sendable {
    /// The directory with the installation's authority, `ca.pem` and `ca.key`; made with both when it is missing.
    public var authorityDirectory: String
    /// Files of certificates (PEM) that are trusted beside the system's, for upstream servers.
    public var upstreamAuthorityFiles: [String]
    /// Servers whose certificates are not verified, since the user named them. No secret is sent to them.
    public var unverifiedHosts: [HostPattern]
    /// Servers that are never intercepted: bytes pass as they are.
    public var bypassedHosts: [HostPattern]
    /// The secrets, in the order of their values.
    public var secrets: [SecretDescription]

    /// A configuration without secrets and exceptions.
    public init(
        authorityDirectory: String, upstreamAuthorityFiles: [String] = [], unverifiedHosts: [HostPattern] = [],
        bypassedHosts: [HostPattern] = [], secrets: [SecretDescription] = []
    ) {
        self.authorityDirectory = authorityDirectory
        self.upstreamAuthorityFiles = upstreamAuthorityFiles
        self.unverifiedHosts = unverifiedHosts
        self.bypassedHosts = bypassedHosts
        self.secrets = secrets
    }
}

/// A secret without its value.
public struct SecretDescription: Codable, Equatable, Sendable {
    /// Where in a request a placeholder is replaced.
    public enum Place: String, Codable, Sendable, CaseIterable {
        /// Values of header fields.
        case headers
        /// User and password of `Authorization: Basic` (RFC 7617), which is encoded in Base64.
        case basic
        /// The query of the target (RFC 3986 section 3.4); the value is percent-encoded.
        case query
        /// A body of type `application/x-www-form-urlencoded`; the value is percent-encoded.
        case form
        /// A body of type `application/json` or `…+json`; the value is escaped (RFC 8259 section 7).
        case json
    }

    /// Its name for people, 1 to 128 characters.
    public var name: String
    /// What the sandbox sees in its place: 16 to 128 letters, digits, hyphens and underscores.
    public var placeholder: String
    /// The only hosts it is sent to.
    public var hosts: [HostPattern]
    /// Where its placeholder is replaced.
    public var places: Set<Place>
    /// Whether it may also be sent over plain HTTP, where everybody on the way can read it.
    public var allowsPlainHTTP: Bool

    /// A secret for some hosts, in header fields unless said otherwise.
    public init(
        name: String, placeholder: String, hosts: [HostPattern], places: Set<Place> = [.headers],
        allowsPlainHTTP: Bool = false
    ) {
        self.name = name
        self.placeholder = placeholder
        self.hosts = hosts
        self.places = places
        self.allowsPlainHTTP = allowsPlainHTTP
    }
}
