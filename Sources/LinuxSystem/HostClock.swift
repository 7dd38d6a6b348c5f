import CLinux
import Glibc

/// The host's clocks in nanoseconds.
public enum HostClock {
    /// Nanoseconds of `CLOCK_MONOTONIC`, the same in all processes of the host.
    public static var monotonic: UInt64 { read(CLOCK_MONOTONIC) }
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    public static var wall: UInt64 { read(CLOCK_REALTIME) }

    /// What tells this boot of the host from all others.
    public static func boot() throws(SystemError) -> String {
        String(decoding: try FileTree.read("/proc/sys/kernel/random/boot_id", limit: 64).dropLast(), as: UTF8.self)
    }

    private static func read(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(id, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }

    /// How fast the processor's time stamp counter counts, in kilohertz. Measured for 50 ms, in which the calling thread
    /// sleeps; exact to some millionths.
    public static func counterKilohertz() -> UInt64 {
        var (ticks, time): (UInt64, UInt64) = (0, 0)
        var (laterTicks, laterTime): (UInt64, UInt64) = (0, 0)
        linux_read_counter(&ticks, &time)
        usleep(50_000)
        linux_read_counter(&laterTicks, &laterTime)
        let elapsed = max(laterTime &- time, 1)
        return (laterTicks &- ticks).multipliedReportingOverflow(by: 1_000_000).partialValue / elapsed
    }
}
