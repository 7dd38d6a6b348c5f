import InterceptionProtocol
import TrafficInspection

/// An authority without user information: `api.example.com`, `api.example.com:8443`, `[2001:db8::1]:443`.
struct HostAndPort: Equatable, CustomStringConvertible {
    let host: HostName
    let port: UInt16?

    /// Reads one; `nil` for anything else.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= 262, bytes.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
        var name = bytes[...]
        var port: UInt16?
        if let colon = bytes.lastIndex(of: UInt8(ascii: ":")), bytes.last != UInt8(ascii: "]") {
            let digits = bytes[(colon + 1)...]
            // An empty port is none (RFC 3986 section 3.2.3).
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

    var description: String { port.map { "\(host):\($0)" } ?? host.description }
}
