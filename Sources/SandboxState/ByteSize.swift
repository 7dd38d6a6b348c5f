/// A number of bytes as users write it: digits and a unit (`512m`, `2g`, `1.5GiB`); units are powers of 1024.
public struct ByteSize: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number of bytes, never negative.
    public let bytes: Int64

    /// So many bytes.
    public init(bytes: Int64) { self.bytes = max(0, bytes) }

    /// So many mebibytes.
    public static func mebibytes(_ count: Int64) -> ByteSize { ByteSize(bytes: count << 20) }

    /// Reads `[0-9]+(.[0-9]+)?` and an optional unit `b k m g t`, `kb mb …` or `kib mib …`, in either case.
    /// `nil` for anything else and for more than 2^60 bytes.
    public init?(_ text: String) {
        let lower = text.lowercased()
        let number = lower.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let shifts: [Substring: Int64] = [
            "": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20, "g": 30, "gb": 30, "gib": 30,
            "t": 40, "tb": 40, "tib": 40,
        ]
        guard let shift = shifts[lower.dropFirst(number.count)], let value = Decimal(number) else { return nil }
        guard let bytes = value.scaled(by: 1 << shift), bytes <= 1 << 60 else { return nil }
        self.bytes = bytes
    }

    /// The next multiple of `unit`, which must not be zero.
    public func roundedUp(to unit: ByteSize) -> ByteSize {
        let rest = bytes % unit.bytes
        return rest == 0 ? self : ByteSize(bytes: bytes - rest + unit.bytes)
    }

    /// Compares numbers of bytes.
    public static func < (one: ByteSize, other: ByteSize) -> Bool { one.bytes < other.bytes }

    /// The size in the largest unit that divides it, for example `512m`.
    public var description: String {
        for (unit, shift) in [("t", Int64(40)), ("g", 30), ("m", 20), ("k", 10)]
        where bytes > 0 && bytes % (1 << shift) == 0 { return "\(bytes >> shift)\(unit)" }
        return "\(bytes)"
    }
}

/// A span of time as users write it: `90`, `1.5s`, `250ms`, `2m`, `1h30m`, `1d`; a number without a unit is seconds.
public struct TimeSpan: Hashable, Sendable {
    /// The span in milliseconds, at least 1.
    public let milliseconds: Int64

    /// Reads a span; `nil` for anything else, for nothing, and for more than 10 years.
    public init?(_ text: String) {
        let units: [Substring: Int64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        var rest = text.lowercased()[...]
        var total: Int64 = 0
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            let unit = rest.dropFirst(number.count).prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(number.count + unit.count)
            let scale = unit.isEmpty && rest.isEmpty && total == 0 ? 1000 : units[unit]
            guard let scale, let part = Decimal(number)?.scaled(by: scale) else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow else { return nil }
            total = sum
        }
        guard total > 0, total <= 3650 * 86_400_000 else { return nil }
        milliseconds = total
    }
}

/// A non-negative decimal number, exact: digits with at most nine after the point.
private struct Decimal {
    private let digits: Int64
    private let divisor: Int64

    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, parts.count == 1 || !parts[1].isEmpty else { return nil }
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        guard fraction.count <= 9, !fraction.contains("."), let digits = Int64(whole + fraction) else { return nil }
        self.digits = digits
        divisor = (0..<fraction.count).reduce(1) { power, _ in power * 10 }
    }

    /// This number times `scale`, rounded down; `nil` when it does not fit.
    func scaled(by scale: Int64) -> Int64? {
        let (high, low) = digits.multipliedFullWidth(by: scale)
        guard high < divisor, high >= 0 else { return nil }
        let quotient = divisor.dividingFullWidth((high, low)).quotient
        return quotient >= 0 ? quotient : nil
    }
}
