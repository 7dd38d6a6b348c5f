/// A name of the domain name system (RFC 1035), complete, in lower case and without the dot at its end.
public struct DomainName: Hashable, Sendable, Comparable {
    /// As it is written: `api.example.com`. Empty for the root.
    public let text: String

    /// The root, above all names.
    public static let root = DomainName(checked: "")

    private init(checked: String) { text = checked }

    /// Reads a name, with or without the dot at its end: labels of 1 to 63 letters, digits, hyphens and underscores, at
    /// most 253 characters together (RFC 1035 section 2.3.4, RFC 2181 section 11). Names in other scripts come in their
    /// ASCII form (RFC 5890). `nil` for anything else, and for IPv4 addresses.
    public init?(_ text: some StringProtocol) {
        var bytes = Array(text.utf8.prefix(255))
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard (1...253).contains(bytes.count) else { return nil }
        var labelLength = 0
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "."):
                guard labelLength > 0 else { return nil }
                labelLength = 0
                continue
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes[index] = byte | 0x20
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                break
            default: return nil
            }
            labelLength += 1
            guard labelLength <= 63 else { return nil }
        }
        guard labelLength > 0 else { return nil }
        let name = String(decoding: bytes, as: UTF8.self)
        guard IPAddress(name) == nil else { return nil }
        self.text = name
    }

    /// Its labels, the most special first: `api`, `example`, `com`.
    public var labels: [Substring] { text.split(separator: ".") }

    /// Whether it stands below `other`, at whatever depth. No name is below itself.
    public func isBelow(_ other: DomainName) -> Bool {
        guard !other.text.isEmpty else { return !text.isEmpty }
        return text.utf8.count > other.text.utf8.count + 1 && text.hasSuffix(other.text)
            && text.utf8.dropLast(other.text.utf8.count).last == UInt8(ascii: ".")
    }

    /// By text.
    public static func < (one: Self, other: Self) -> Bool { one.text < other.text }
}

extension DomainName: CustomStringConvertible {
    /// As it is written; the root as a dot.
    public var description: String { text.isEmpty ? "." : text }
}
