import Glibc

/// A moment as people write it: RFC 3339, for example `2026-11-24T17:40:00.5Z`.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    public let nanoseconds: UInt64

    /// So many nanoseconds after 1970 began.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)` (RFC 3339 section 5.6), with at most nine digits of a fraction
    /// and a space or `t` in the place of `T`; `nil` for anything else, dates that do not exist, and years before 1970 or
    /// after 2500.
    public init?(_ text: String) {
        var rest = Array(text.utf8)[...]
        guard let year = Self.number(4, &rest), Self.skip("-", &rest), let month = Self.number(2, &rest),
            Self.skip("-", &rest), let day = Self.number(2, &rest), Self.skip("Tt ", &rest),
            let hour = Self.number(2, &rest), Self.skip(":", &rest), let minute = Self.number(2, &rest),
            Self.skip(":", &rest), let second = Self.number(2, &rest), let fraction = Self.fraction(&rest),
            let offset = Self.offset(&rest), rest.isEmpty
        else { return nil }
        guard (1970...2500).contains(year), (1...12).contains(month), hour < 24, minute < 60, second <= 60 else {
            return nil
        }
        var fields = tm()
        (fields.tm_year, fields.tm_mon, fields.tm_mday) = (Int32(year - 1900), Int32(month - 1), Int32(day))
        // A leap second is the first of the next minute.
        (fields.tm_hour, fields.tm_min, fields.tm_sec) = (Int32(hour), Int32(minute), Int32(min(second, 59)))
        let seconds = Int64(timegm(&fields)) + (second == 60 ? 1 : 0) - offset
        // timegm makes another date of one that does not exist.
        guard fields.tm_mday == Int32(day), seconds >= 0 else { return nil }
        nanoseconds = UInt64(seconds) * 1_000_000_000 + fraction
    }

    /// Compares moments.
    public static func < (one: Timestamp, other: Timestamp) -> Bool { one.nanoseconds < other.nanoseconds }

    /// The moment in UTC with nine digits of a fraction, so that all are equally long.
    public var description: String {
        var seconds = time_t(clamping: nanoseconds / 1_000_000_000)
        var fields = tm()
        gmtime_r(&seconds, &fields)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(fields.tm_year + 1900, 4))-\(padded(fields.tm_mon + 1, 2))-\(padded(fields.tm_mday, 2))"
        let time = "\(padded(fields.tm_hour, 2)):\(padded(fields.tm_min, 2)):\(padded(fields.tm_sec, 2))"
        return "\(date)T\(time).\(padded(nanoseconds % 1_000_000_000, 9))Z"
    }

    private static func number(_ width: Int, _ rest: inout ArraySlice<UInt8>) -> Int? {
        let digits = rest.prefix(width)
        guard digits.count == width, digits.allSatisfy(isDigit) else { return nil }
        rest = rest.dropFirst(width)
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private static func skip(_ any: String, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard let byte = rest.first, any.utf8.contains(byte) else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// The fraction of a second in nanoseconds, 0 when there is none.
    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        guard skip(".", &rest) else { return 0 }
        let digits = rest.prefix(while: isDigit)
        guard (1...9).contains(digits.count) else { return nil }
        rest = rest.dropFirst(digits.count)
        let value = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        return (digits.count..<9).reduce(value) { value, _ in value * 10 }
    }

    /// How far local time is ahead of UTC, in seconds.
    private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        if skip("Zz", &rest) { return 0 }
        let sign: Int64 = rest.first == UInt8(ascii: "-") ? -1 : 1
        guard skip("+-", &rest), let hours = number(2, &rest), skip(":", &rest), let minutes = number(2, &rest),
            hours < 24, minutes < 60
        else { return nil }
        return sign * Int64(hours * 3600 + minutes * 60)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
