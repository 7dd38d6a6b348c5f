/// Bytes as characters of ASCII.
public enum ASCII {
    /// The small letter for a capital one; every other byte is itself.
    @inlinable public static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// A character of a token (RFC 9110 section 5.6.2).
    @inlinable public static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// `0` to `9`.
    @inlinable public static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// What a hexadecimal digit stands for; `nil` when it is none.
    @inlinable public static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Without spaces and tabs at both ends.
    @inlinable public static func trimmed(_ bytes: some BidirectionalCollection<UInt8>) -> [UInt8] {
        let start = bytes.firstIndex { $0 != 32 && $0 != 9 } ?? bytes.endIndex
        guard let last = bytes.lastIndex(where: { $0 != 32 && $0 != 9 }) else { return [] }
        return Array(bytes[start...last])
    }
}
