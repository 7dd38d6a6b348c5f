import ArgumentParser
import LinuxSystem
import SandboxState
import TextLayout

/// A moment as `--since` and `--until` take it: RFC 3339, or a span before now such as `10m`.
struct TimeBound: ExpressibleByArgument, Equatable {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    let nanoseconds: UInt64

    init?(argument: String) { self.init(argument, now: HostClock.wall) }

    /// - Parameter now: nanoseconds since 1970.
    init?(_ text: String, now: UInt64) {
        if let moment = Timestamp(text) {
            nanoseconds = moment.nanoseconds
        } else if let span = TimeSpan(text) {
            let ago = UInt64(span.milliseconds) &* 1_000_000
            nanoseconds = now > ago ? now - ago : 0
        } else {
            return nil
        }
    }

    /// Milliseconds until then, for poll(2); rounded up, so that it is over when they are.
    var pollTimeout: Int32 {
        let now = HostClock.wall
        return nanoseconds > now ? Int32(clamping: (nanoseconds - now) / 1_000_000 + 1) : 0
    }
}
