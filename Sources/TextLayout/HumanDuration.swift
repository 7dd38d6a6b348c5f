/// A span of time in its largest fitting unit, as `docker ps` prints it, for example `3 minutes`.
/// - Parameter seconds: less than one, also a negative number, is `less than a second`.
public func humanDuration(_ seconds: Int64) -> String {
    let units: [(name: String, seconds: Int64, last: Int64)] = [
        ("second", 1, 59), ("minute", 60, 3599), ("hour", 3600, 48 * 3600 - 1), ("day", 86_400, 14 * 86_400 - 1),
        ("week", 7 * 86_400, 60 * 86_400 - 1), ("month", 30 * 86_400, 730 * 86_400 - 1), ("year", 365 * 86_400, .max),
    ]
    guard seconds >= 1, let unit = units.first(where: { seconds <= $0.last }) else { return "less than a second" }
    let count = seconds / unit.seconds
    return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
}
