import Testing

@testable import RegistryClient

@Suite("Pauses between attempts")
struct RetryTests {
    private let now = 784_111_777  // Sun, 06 Nov 1994 08:49:37 GMT

    @Test(
        "Retry-After is a number of seconds or a date",
        arguments: [
            ("0", Duration.seconds(0)), ("120", .seconds(120)), (" 7", .seconds(7)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", .seconds(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", .seconds(0)),
            ("99999999999999999999999", .seconds(UInt32.max)),
        ])
    func reads(value: String, expected: Duration) { #expect(RetryAfter.parse(value, now: now) == expected) }

    @Test(
        "what is neither is no Retry-After",
        arguments: ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:50:37 GMT", "1e9"])
    func ignores(value: String) { #expect(RetryAfter.parse(value, now: now) == nil) }

    @Test("the pause doubles, keeps to the server's wish and to the limit")
    func pauses() {
        var limits = RegistryLimits()
        limits.firstPause = .seconds(1)
        limits.longestPause = .seconds(20)
        let policy = RetryPolicy(limits: limits)
        #expect((Duration.seconds(0.5)...Duration.seconds(1)).contains(policy.pause(after: 1, asked: nil)))
        #expect((Duration.seconds(4)...Duration.seconds(8)).contains(policy.pause(after: 4, asked: nil)))
        #expect(policy.pause(after: 1, asked: .seconds(5)) == .seconds(5))
        #expect(policy.pause(after: 1, asked: .seconds(3600)) == .seconds(20))
        #expect(policy.pause(after: .max, asked: nil) == .seconds(20))
    }
}
