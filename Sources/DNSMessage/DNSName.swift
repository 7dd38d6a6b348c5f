import NetworkAddress

/// A name as it stands in a message (RFC 1035 section 3.1): labels of any bytes, in the case in which they came.
public struct DNSName: Sendable {
    /// Its labels, the most special first, each of 1 to 63 bytes; none for the root.
    public let labels: [[UInt8]]

    /// The root.
    public static let root = DNSName(checked: [])

    private init(checked: [[UInt8]]) { labels = checked }

    /// The name of these labels; `nil` when one is empty or longer than 63 bytes, or all are longer than a message
    /// may have them (255 bytes with their lengths).
    public init?(labels: [[UInt8]]) {
        guard labels.allSatisfy({ (1...63).contains($0.count) }),
            labels.reduce(1, { $0 + $1.count + 1 }) <= Self.maximumLength
        else { return nil }
        self.labels = labels
    }

    /// A name that people can write.
    public init(_ name: DomainName) { labels = name.labels.map { Array($0.utf8) } }

    /// The most bytes that a name has in a message, with its lengths and the root.
    public static let maximumLength = 255

    /// How many bytes it has in a message, with its lengths and the root.
    public var length: Int { labels.reduce(1) { $0 + $1.count + 1 } }

    /// The name as people write it; `nil` when a label has other bytes than letters, digits, hyphens and underscores, or
    /// the whole looks like an address of IPv4. The root is `DomainName.root`.
    public var domainName: DomainName? {
        if labels.isEmpty { return .root }
        guard labels.allSatisfy({ !$0.contains(UInt8(ascii: ".")) }) else { return nil }
        var bytes: [UInt8] = []
        for label in labels { bytes += (bytes.isEmpty ? [] : [UInt8(ascii: ".")]) + label }
        guard bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
        return DomainName(String(decoding: bytes, as: UTF8.self))
    }

    /// The labels in lower case, by which names are compared (RFC 4343).
    var folded: [[UInt8]] { labels.map { $0.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } } }
}

extension DNSName: Hashable {
    /// Whether both are the same name, whatever the case of their letters.
    public static func == (one: Self, other: Self) -> Bool { one.folded == other.folded }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

extension DNSName: CustomStringConvertible {
    /// As people write it; what else than that a label holds as `\255`, like in zone files.
    public var description: String {
        guard !labels.isEmpty else { return "." }
        return labels.map { label in
            label.map { byte -> String in
                switch byte {
                case UInt8(ascii: "."), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
                case 0x21...0x7E: String(UnicodeScalar(byte))
                default: "\\" + String(repeating: "0", count: byte < 10 ? 2 : byte < 100 ? 1 : 0) + "\(byte)"
                }
            }.joined()
        }.joined(separator: ".")
    }
}
