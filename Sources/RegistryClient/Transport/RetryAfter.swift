import Glibc

/// The pause that a server asks for (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// Reads the value of a `Retry-After` field: seconds, or a date of HTTP; `nil` when it is neither.
    /// - Parameter now: the time that a date is compared with, in seconds since 1970.
    static func parse(_ value: String, now: time_t = time(nil)) -> Duration? {
        let text = String(value.drop { $0 == " " })
        if !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // More digits than a number holds mean a very long time.
            return .seconds(UInt32(text) ?? .max)
        }
        guard let date = date(text) else { return nil }
        let (seconds, overflow) = date.subtractingReportingOverflow(now)
        return .seconds(min(max(overflow ? 0 : seconds, 0), time_t(UInt32.max)))
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Reads a date as all write it today, for example `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    private static func date(_ text: String) -> time_t? {
        var words = text.split { " :".contains($0) }.map(String.init)[...]
        func number(_ range: ClosedRange<Int32>) -> Int32? {
            words.popFirst().flatMap { Int32($0) }.flatMap { range.contains($0) ? $0 : nil }
        }
        guard words.count == 8, words.popFirst()?.hasSuffix(",") == true, words.popLast() == "GMT",
            let day = number(1...31), let month = words.popFirst().flatMap({ months.firstIndex(of: $0) }),
            let year = number(1970...9999), let hour = number(0...23), let minute = number(0...59),
            let second = number(0...60)
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, Int32(month), day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
        return timegm(&parts)
    }
}
