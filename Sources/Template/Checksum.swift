/// The FNV-1a function over 64 bits, which tells damage and foreign content from what was written. It is no proof
/// against an attacker: who can write to a user's templates is that user.
public struct Checksum: Equatable, Sendable {
    /// The value so far.
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// Takes the next bytes.
    public mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    /// Takes the next word; faster than its bytes, and another value than theirs.
    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x100_0000_01b3
        // The multiplication carries upwards only.
        value ^= value >> 29
    }

    /// 16 hexadecimal digits.
    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension Checksum {
    /// The checksum of these bytes.
    public init(_ bytes: some Sequence<UInt8>) { add(bytes) }
}
