import NetworkAddress
import SandboxState

/// Tells what the network refused, and what it let pass where that is wanted: at most so much in a second, so that a
/// guest cannot fill the disk, with a count of what was left out.
struct EventRecorder {
    /// Events in a second in the long run, and how many at once.
    private static let (rate, burst) = (20, 200)

    private let tell: @Sendable (NetworkEvent) -> Void
    private var bucket = TokenBucket(rate: UInt64(rate), burst: UInt64(burst))
    private var leftOut = 0

    /// Whose events they are.
    let sandbox: String

    init(_ sandbox: String, _ tell: @escaping @Sendable (NetworkEvent) -> Void) {
        self.sandbox = sandbox
        self.tell = tell
    }

    /// Tells of something, or counts it.
    mutating func record(_ event: NetworkEvent, at now: UInt64) {
        tellLeftOut(at: now)
        guard leftOut == 0, bucket.take(1, at: now) else {
            leftOut += 1
            return
        }
        tell(event)
    }

    /// Counts events that others have left out.
    mutating func leaveOut(_ count: Int) { leftOut += max(count, 0) }

    /// When it is to be told how much was left out; `nil` when nothing was.
    var deadline: UInt64? { leftOut == 0 ? nil : bucket.time(for: UInt64(Self.rate)) }

    /// Tells how much was left out, when there is room for it.
    mutating func tellLeftOut(at now: UInt64) {
        // A second's worth has to be free, or the next event would be counted at once again.
        guard leftOut > 0, bucket.take(UInt64(Self.rate), at: now) else { return }
        var event = NetworkEvent(.leftOut, sandbox)
        event.count = leftOut
        leftOut = 0
        tell(event)
    }
}
