/// So much in a second, and so much at once.
struct TokenBucket {
    /// In a second.
    private let rate: UInt64
    private let burst: UInt64
    /// What may be taken, in billionths. Below zero where more was taken than there was.
    private var tokens: Int64
    private var last: UInt64 = 0

    private static let unit: Int64 = 1_000_000_000

    /// A full bucket.
    /// - Parameters:
    ///   - rate: how much comes in a second, at least 1.
    ///   - burst: the most that it holds, at least 1; at most 9 billion.
    init(rate: UInt64, burst: UInt64) {
        self.rate = max(rate, 1)
        self.burst = min(max(burst, 1), UInt64(Int64.max / Self.unit))
        tokens = Int64(self.burst) * Self.unit
    }

    private mutating func fill(at now: UInt64) {
        guard now > last else { return }
        let (added, overflow) = (now - last).multipliedReportingOverflow(by: rate)
        last = now
        let full = Int64(burst) * Self.unit
        let room = full - tokens
        tokens = overflow || added > UInt64(clamping: room) ? full : tokens + Int64(added)
    }

    /// Takes so much, if it is there.
    mutating func take(_ count: UInt64, at now: UInt64) -> Bool {
        fill(at: now)
        let wanted = Int64(clamping: count.multipliedReportingOverflow(by: UInt64(Self.unit)).partialValue)
        guard count <= burst, tokens >= wanted else { return false }
        tokens -= wanted
        return true
    }

    /// Takes so much, on credit where it is not there: for what has been done already.
    mutating func spend(_ count: UInt64, at now: UInt64) {
        fill(at: now)
        tokens -= Int64(min(count, UInt64(Int64.max / Self.unit / 4))) * Self.unit
    }

    /// Whether something is there.
    mutating func hasSome(at now: UInt64) -> Bool {
        fill(at: now)
        return tokens > 0
    }

    /// When so much, at most what it holds, will be there if nobody takes any.
    func time(for count: UInt64) -> UInt64 {
        let wanted = Int64(min(count, burst)) * Self.unit
        guard tokens < wanted else { return last }
        return last &+ UInt64(wanted - tokens) / rate &+ 1
    }
}
