import NetworkStack
import Testing

@Suite("Moments")
struct InstantTests {
    @Test("time stops at its end instead of wrapping")
    func end() {
        #expect(Instant(nanoseconds: .max).advanced(by: 1) == Instant(nanoseconds: .max))
        #expect(Instant(nanoseconds: 1).nanoseconds(since: Instant(nanoseconds: 2)) == 0)
    }
}
