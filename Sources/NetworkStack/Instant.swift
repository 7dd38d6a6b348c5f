/// A moment of a clock that never goes back, told to the stack by whoever drives it.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since the clock's beginning.
    public var nanoseconds: UInt64

    /// The moment this many nanoseconds after the clock's beginning.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The earlier one is less.
    public static func < (one: Self, other: Self) -> Bool { one.nanoseconds < other.nanoseconds }

    /// The moment `nanoseconds` later; the last one there is where time would end.
    public func advanced(by nanoseconds: UInt64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// Nanoseconds from `earlier` to this moment; 0 when that is not earlier.
    public func nanoseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
    }

    /// Milliseconds of the clock, which wrap, as timestamps of TCP count them.
    var milliseconds: UInt32 { UInt32(truncatingIfNeeded: nanoseconds / 1_000_000) }
}

extension UInt64 {
    /// That many milliseconds, in nanoseconds; for constants.
    static func milliseconds(_ count: UInt64) -> UInt64 { count &* 1_000_000 }
    /// That many seconds, in nanoseconds; for constants.
    static func seconds(_ count: UInt64) -> UInt64 { count &* 1_000_000_000 }
}
