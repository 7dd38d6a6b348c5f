/// The address of a station of an Ethernet (IEEE 802.3).
public struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// Its six bytes as a number, the first of them highest.
    public let value: UInt64

    /// The address of the lower 48 bits.
    public init(_ value: UInt64) { self.value = value & 0xFFFF_FFFF_FFFF }

    /// The address of these six bytes.
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
        value = [a, b, c, d, e, f].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Everybody.
    static let broadcast = MACAddress(0xFFFF_FFFF_FFFF)

    /// Whether it is of a group, broadcast included.
    var isMulticast: Bool { value >> 40 & 1 == 1 }

    /// Its bytes in the order they are sent.
    public var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - 8 * UInt64($0))) } }

    /// `52:54:00:12:34:56`
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
