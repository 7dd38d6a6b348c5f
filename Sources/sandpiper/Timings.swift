import Glibc
import LinuxSystem

/// When each stage of a command was reached, for `--timings`.
struct Timings {
    private let start: UInt64
    private var stages: [(name: String, nanoseconds: UInt64)] = []

    /// Counts from `start`, a reading of the monotonic clock.
    init(from start: UInt64) { self.start = start }

    /// Notes that a stage was reached.
    mutating func mark(_ name: String, at nanoseconds: UInt64 = HostClock.monotonic) {
        stages.append((name, nanoseconds))
    }

    /// Notes that a stage was reached for the first time.
    mutating func markOnce(_ name: String) {
        if !stages.contains(where: { $0.name == name }) { mark(name) }
    }

    /// Prints one line a stage on stderr: milliseconds since the start of the command, and the stage.
    func print() {
        for (name, nanoseconds) in stages.sorted(by: { $0.nanoseconds < $1.nanoseconds }) {
            let microseconds = (nanoseconds > start ? nanoseconds - start : 0) / 1000
            let fraction = String(microseconds % 1000 + 1000).dropFirst()
            let whole = String(microseconds / 1000)
            let padding = String(repeating: " ", count: max(0, 7 - whole.count))
            StandardError.print("\(padding)\(whole).\(fraction) ms  \(name)")
        }
    }
}
