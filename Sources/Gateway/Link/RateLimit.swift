import SandboxState

/// One direction of the link, held to its rate. What was done is counted afterwards, so that a frame larger than the burst
/// passes too; then nothing does until it is paid for.
struct RateLimit {
    private var bytes: TokenBucket?
    private var packets: TokenBucket?

    init(_ rate: NetworkLimits.Rate) {
        bytes = rate.bytes.map { TokenBucket(rate: $0, burst: rate.burst ?? max($0 / 10, 65_536)) }
        packets = rate.packets.map { TokenBucket(rate: $0, burst: max($0 / 10, 16)) }
    }

    /// Whether something may pass.
    mutating func allows(at now: UInt64) -> Bool {
        (bytes?.hasSome(at: now) ?? true) && (packets?.hasSome(at: now) ?? true)
    }

    /// Counts what has passed.
    mutating func spend(_ count: UInt64, frames: UInt64, at now: UInt64) {
        bytes?.spend(count, at: now)
        packets?.spend(frames, at: now)
    }

    /// When something may pass again; `nil` when it may.
    mutating func deadline(at now: UInt64) -> UInt64? {
        if allows(at: now) { return nil }
        return max(bytes?.time(for: 1) ?? 0, packets?.time(for: 1) ?? 0)
    }
}
