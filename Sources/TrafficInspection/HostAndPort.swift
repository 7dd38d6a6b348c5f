import NetworkAddress

/// An authority without user information (RFC 3986 section 3.2): `api.example.com`, `api.example.com:8443`,
/// `[2001:db8::1]:443`.
public struct HostAndPort: Hashable, Sendable, CustomStringConvertible {
    /// The host.
    public let host: HostName
    /// Its port; `nil` when none is named.
    public let port: UInt16?

    /// Reads one; `nil` for anything else.
    public init?(_ bytes: some BidirectionalCollection<UInt8>) {
        guard bytes.count <= 262, bytes.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
        var name = bytes[...]
        var port: UInt16?
        if let colon = bytes.lastIndex(of: UInt8(ascii: ":")), bytes.last != UInt8(ascii: "]") {
            let digits = bytes[colon...].dropFirst()
            // An empty port is none (section 3.2.3).
            if !digits.isEmpty {
                guard digits.count <= 5, digits.allSatisfy(ASCII.isDigit),
                    let number = UInt16(exactly: digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
                else { return nil }
                port = number
            }
            name = bytes[..<colon]
        }
        let text = String(decoding: name, as: UTF8.self)
        guard let host = HostName(text), text.contains(":") == text.hasPrefix("[") else { return nil }
        self.host = host
        self.port = port
    }

    /// The authority in a request's target: of absolute form (RFC 9112 section 3.2.2), `nil` for a path and for `*`.
    /// - Throws: ``HTTPFault/requestLine`` for any other target.
    public static func named(inTarget target: [UInt8]) throws(HTTPFault) -> HostAndPort? {
        if target.first == UInt8(ascii: "/") || target == [UInt8(ascii: "*")] { return nil }
        guard let colon = target.firstIndex(of: UInt8(ascii: ":")) else { throw .requestLine }
        let scheme = target[..<colon].map(ASCII.lowercased)
        let rest = target[(colon + 1)...]
        guard scheme.elementsEqual("http".utf8) || scheme.elementsEqual("https".utf8), rest.starts(with: "//".utf8),
            let authority = HostAndPort(
                rest.dropFirst(2).prefix {
                    $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#")
                })
        else { throw .requestLine }
        return authority
    }

    /// As it is read.
    public var description: String { port.map { "\(host):\($0)" } ?? host.description }
}
