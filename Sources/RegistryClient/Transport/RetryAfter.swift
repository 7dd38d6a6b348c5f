#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The pause that a server asks for (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// Reads the value of a `Retry-After` field: seconds, or a date of HTTP; `nil` when it is neither.
    /// - Parameter now: the time that a date is compared with.
    static func parse(_ value: String, now: Date = Date()) -> Duration? {
        let text = value.drop { $0 == " " }
        if !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // More digits than a number holds mean a very long time.
            return .seconds(UInt32(text) ?? .max)
        }
        guard let date = try? Date(String(text), strategy: .http) else { return nil }
        return .seconds(min(max(date.timeIntervalSince(now), 0), Double(UInt32.max)))
    }
}
