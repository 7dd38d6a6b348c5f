import Glibc

/// The host's clocks in nanoseconds.
public enum HostClock {
    /// Nanoseconds of `CLOCK_MONOTONIC`, the same in all processes of the host.
    public static var monotonic: UInt64 { read(CLOCK_MONOTONIC) }
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    public static var wall: UInt64 { read(CLOCK_REALTIME) }

    private static func read(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(id, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }
}
