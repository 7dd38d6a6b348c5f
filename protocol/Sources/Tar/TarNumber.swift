/// Numbers in tar headers: octal text, or two's complement of base 256 when the first bit is set (GNU, star).
public enum TarNumber {
    /// A field that holds no number, or one beyond 64 bits.
    public struct Invalid: Error {}

    /// The number in a header field; 0 when the field is blank.
    public static func parse(_ field: UnsafeRawBufferPointer) throws(Invalid) -> Int64 {
        guard let first = field.first else { return 0 }
        if first & 0x80 != 0 { return try base256(field, negative: first & 0x40 != 0) }
        var value: Int64 = 0
        var index = 0
        while index < field.count, field[index] == UInt8(ascii: " ") || field[index] == 0 { index += 1 }
        while index < field.count {
            let byte = field[index]
            if byte == UInt8(ascii: " ") || byte == 0 { break }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "7"), value >> 60 == 0 else { throw Invalid() }
            value = value << 3 | Int64(byte & 7)
            index += 1
        }
        while index < field.count {
            guard field[index] == UInt8(ascii: " ") || field[index] == 0 else { throw Invalid() }
            index += 1
        }
        return value
    }

    private static func base256(_ field: UnsafeRawBufferPointer, negative: Bool) throws(Invalid) -> Int64 {
        // The first bit marks the encoding, the second is the sign.
        var value: Int64 = negative ? -1 : 0
        for index in 0..<field.count {
            let byte = index == 0 ? (negative ? field[0] : field[0] & 0x7f) : field[index]
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 256)
            guard !overflow else { throw Invalid() }
            value = shifted | Int64(byte)
        }
        return value
    }

    /// A decimal number without sign; `nil` for anything else or beyond 64 bits.
    public static func decimal(_ text: some Sequence<UInt8>) -> Int64? {
        var value: Int64 = 0
        var digits = false
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tenfold.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
            guard !overflow, !carried else { return nil }
            value = sum
            digits = true
        }
        return digits ? value : nil
    }

    /// A time of a pax header: seconds since 1970 with an optional sign and fraction, cut to nanoseconds.
    public static func time(_ text: UnsafeRawBufferPointer) -> (seconds: Int64, nanoseconds: UInt32)? {
        let negative = text.first == UInt8(ascii: "-")
        let digits = negative ? text.dropFirst() : text[...]
        let point = digits.firstIndex(of: UInt8(ascii: "."))
        guard let whole = decimal(digits[..<(point ?? digits.endIndex)]) else { return nil }
        var fraction: UInt32 = 0
        if let point {
            var unit: UInt32 = 100_000_000
            for byte in digits[(point + 1)...] {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
                fraction += UInt32(byte - UInt8(ascii: "0")) * unit
                unit /= 10
            }
        }
        guard negative else { return (whole, fraction) }
        return fraction == 0 ? (-whole, 0) : (-whole - 1, 1_000_000_000 - fraction)
    }
}
