import Testing

@testable import Gateway

@Suite("So much in a second")
struct TokenBucketTests {
    /// A bucket that expectations may take from.
    private final class Bucket {
        private var bucket: TokenBucket
        init(rate: UInt64, burst: UInt64) { bucket = TokenBucket(rate: rate, burst: burst) }
        func take(_ count: UInt64, at now: UInt64) -> Bool { bucket.take(count, at: now) }
        func spend(_ count: UInt64, at now: UInt64) { bucket.spend(count, at: now) }
        func hasSome(at now: UInt64) -> Bool { bucket.hasSome(at: now) }
        func time(for count: UInt64) -> UInt64 { bucket.time(for: count) }
    }

    private static let second: UInt64 = 1_000_000_000

    @Test("a bucket gives its burst at once and its rate afterwards")
    func rate() {
        let bucket = Bucket(rate: 10, burst: 5)
        let start = 7 * Self.second
        for _ in 0..<5 { #expect(bucket.take(1, at: start)) }
        #expect(!bucket.take(1, at: start))
        #expect(bucket.time(for: 1) > start)
        #expect(!bucket.take(1, at: start + Self.second / 20))
        #expect(bucket.take(1, at: start + Self.second / 9))
    }

    @Test("a bucket that was left alone holds no more than its burst")
    func burst() {
        let bucket = Bucket(rate: 1000, burst: 3)
        _ = bucket.take(3, at: 1)
        #expect(bucket.take(3, at: 1000 * Self.second))
        #expect(!bucket.take(1, at: 1000 * Self.second))
        #expect(!bucket.take(4, at: 2000 * Self.second))
    }

    @Test("what was spent on credit is paid for before anything passes")
    func credit() {
        let bucket = Bucket(rate: 100, burst: 10)
        bucket.spend(60, at: Self.second)
        #expect(!bucket.hasSome(at: Self.second))
        #expect(!bucket.hasSome(at: Self.second + Self.second / 4))
        #expect(bucket.hasSome(at: Self.second + Self.second * 6 / 10))
    }

    @Test("no number traps", arguments: [(UInt64.max, UInt64.max), (0, 0), (1, .max), (.max, 1)])
    func extremes(rate: UInt64, burst: UInt64) {
        let bucket = Bucket(rate: rate, burst: burst)
        for time in [0, 1, UInt64.max / 2, .max] {
            _ = bucket.take(.max, at: time)
            bucket.spend(.max, at: time)
            _ = bucket.hasSome(at: time)
            _ = bucket.time(for: .max)
        }
    }
}
