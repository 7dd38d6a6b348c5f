import Glibc

/// An address of IPv4 (RFC 791).
public struct IPv4Address: Hashable, Sendable, Comparable {
    /// Its four bytes as a number: `a.b.c.d` is `a << 24 | b << 16 | c << 8 | d`.
    public let value: UInt32

    /// The address of this number.
    public init(_ value: UInt32) { self.value = value }

    /// The address of these four bytes.
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// By number.
    public static func < (one: Self, other: Self) -> Bool { one.value < other.value }
}

/// An address of IPv6 (RFC 4291), without a zone.
public struct IPv6Address: Hashable, Sendable, Comparable {
    /// The first eight bytes as a number.
    public let high: UInt64
    /// The last eight bytes as a number.
    public let low: UInt64

    /// The address of these two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// By number.
    public static func < (one: Self, other: Self) -> Bool { (one.high, one.low) < (other.high, other.low) }
}

/// An address of either version.
public enum IPAddress: Hashable, Sendable, Comparable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// Reads `192.0.2.1` or `2001:db8::1`, without brackets, port or zone; `nil` for anything else. Each form that
    /// inet_pton(3) takes, and no other: no octal or hexadecimal numbers, no missing parts.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
        let text = String(text)
        var small = in_addr()
        var large = in6_addr()
        if inet_pton(AF_INET, text, &small) == 1 {
            self = .v4(IPv4Address(UInt32(bigEndian: small.s_addr)))
        } else if inet_pton(AF_INET6, text, &large) == 1 {
            self = .v6(IPv6Address(large))
        } else {
            return nil
        }
    }

    /// The address of 4 or 16 bytes in network order; `nil` for any other number of them.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(IPv4Address(bytes.reduce(0) { $0 << 8 | UInt32($1) }))
        case 16:
            self = .v6(
                IPv6Address(
                    high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                    low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }))
        default: return nil
        }
    }

    /// Its 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address): withUnsafeBytes(of: address.value.bigEndian) { Array($0) }
        case .v6(let address):
            withUnsafeBytes(of: address.high.bigEndian) { Array($0) }
                + withUnsafeBytes(of: address.low.bigEndian) { Array($0) }
        }
    }

    /// Whether it is one of IPv4.
    public var isV4: Bool { if case .v4 = self { true } else { false } }

    /// How many bits it has: 32 or 128.
    public var width: Int { isV4 ? 32 : 128 }

    /// IPv4 before IPv6, each by number.
    public static func < (one: Self, other: Self) -> Bool {
        switch (one, other) {
        case (.v4(let one), .v4(let other)): one < other
        case (.v6(let one), .v6(let other)): one < other
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

extension IPv6Address {
    /// The address as the system's calls have it.
    public init(_ address: in6_addr) {
        let halves = withUnsafeBytes(of: address) {
            (
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// As the system's calls have it.
    public var systemValue: in6_addr {
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) {
            $0.storeBytes(of: high.bigEndian, as: UInt64.self)
            $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }

    /// The IPv4 address that it is a form of, and so leads to where something translates: IPv4-mapped (`::ffff:a.b.c.d`,
    /// RFC 4291 section 2.5.5.2), IPv4-compatible (`::a.b.c.d`, 2.5.5.1), NAT64 (`64:ff9b::/96`, RFC 6052; of
    /// `64:ff9b:1::/48`, RFC 8215, that in its last four bytes), 6to4 (`2002::/16`, RFC 3056).
    public var embeddedIPv4: IPv4Address? {
        let last = IPv4Address(UInt32(truncatingIfNeeded: low))
        if high == 0, low >> 32 == 0xFFFF { return last }
        if high == 0, low >> 32 == 0, low > 1 { return last }
        if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 { return last }
        if high >> 16 == 0x0064_FF9B_0001 { return last }
        if high >> 48 == 0x2002 { return IPv4Address(UInt32(truncatingIfNeeded: high >> 16)) }
        return nil
    }
}

extension IPv4Address: CustomStringConvertible {
    /// `192.0.2.1`
    public var description: String { "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)" }
}

extension IPv6Address: CustomStringConvertible {
    /// `2001:db8::1` (RFC 5952).
    public var description: String {
        var address = systemValue
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else { return "::" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension IPAddress: CustomStringConvertible {
    /// `192.0.2.1` or `2001:db8::1`
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

extension IPAddress: Codable {
    /// Reads its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = IPAddress(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no IP address")
        }
        self = address
    }

    /// Writes its text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
