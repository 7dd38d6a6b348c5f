/// A span of time in its largest fitting unit, as `docker ps` prints it, for example `3 minutes`.
/// - Parameter seconds: less than one, also a negative number, is `less than a second`.
public func humanDuration(_ seconds: Int64) -> String {
    let units: [(name: String, seconds: Int64, below: Int64)] = [
        ("second", 1, 60), ("minute", 60, 3600), ("hour", 3600, 48 * 3600), ("day", 86_400, 14 * 86_400),
        ("week", 7 * 86_400, 60 * 86_400), ("month", 30 * 86_400, 730 * 86_400), ("year", 365 * 86_400, .max),
    ]
    guard seconds >= 1, let unit = units.first(where: { seconds < $0.below }) else { return "less than a second" }
    let count = seconds / unit.seconds
    return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
}
