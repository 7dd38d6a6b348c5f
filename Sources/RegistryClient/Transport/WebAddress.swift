#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where requests go: what credentials and certificates are bound to (RFC 6454).
struct Origin: Hashable, Sendable {
    enum Scheme: String, Sendable {
        case http
        case https

        var defaultPort: Int { self == .https ? 443 : 80 }
    }

    let scheme: Scheme
    /// Lower case, without brackets.
    let host: String
    let port: Int

    /// The host and, unless it is the scheme's own, the port.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == scheme.defaultPort ? name : "\(name):\(port)"
    }
}

/// A URL of `http` or `https` without user, password and fragment (RFC 3986).
struct WebAddress: Hashable, Sendable {
    let origin: Origin
    /// Path and query, beginning with a slash.
    let target: String

    var text: String { "\(origin.scheme.rawValue)://\(origin.authority)\(target)" }

    init(origin: Origin, target: String) {
        self.origin = origin
        self.target = target
    }

    /// Reads an absolute URL, or a reference that is relative to `base`; `nil` when it leads nowhere.
    init?(_ text: String, relativeTo base: WebAddress? = nil) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let url = URL(string: text, relativeTo: base.flatMap { URL(string: $0.text) })?.absoluteURL,
            let scheme = url.scheme.flatMap({ Origin.Scheme(rawValue: $0.lowercased()) }),
            let host = url.host(percentEncoded: false), !host.isEmpty, url.user == nil, url.password == nil,
            host.utf8.allSatisfy({ Self.isNameByte($0) }) || (host.contains(":") && IPAddress(host) != nil)
        else { return nil }
        let port = url.port ?? scheme.defaultPort
        guard (1...65535).contains(port) else { return nil }
        let path = url.path(percentEncoded: true)
        origin = Origin(scheme: scheme, host: host.lowercased(), port: port)
        target = (path.hasPrefix("/") ? path : "/" + path) + (url.query(percentEncoded: true).map { "?" + $0 } ?? "")
    }

    /// The same address with one more parameter in its query; neither part is encoded further.
    func adding(_ name: String, _ value: String) -> WebAddress {
        WebAddress(origin: origin, target: "\(target)\(target.contains("?") ? "&" : "?")\(name)=\(value)")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "-._~".utf8.contains(byte)
        }
    }
}
