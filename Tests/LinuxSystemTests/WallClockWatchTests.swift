import Glibc
import LinuxSystem
import Testing

@Suite struct WallClockWatchTests {
    @Test("tells that the clock was set", .enabled(if: geteuid() == 0, "only root sets clocks"))
    func change() async throws {
        let changes = try WallClockWatch.changes()
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        // To what it is: some microseconds later.
        guard clock_settime(CLOCK_REALTIME, &time) == 0 else { return }
        var iterator = changes.makeAsyncIterator()
        #expect(await iterator.next() != nil)
    }

    @Test("ends with the task that waits", .timeLimit(.minutes(5)))
    func end() async throws {
        let waiting = Task { for await _ in try WallClockWatch.changes() {} }
        try await Task.sleep(for: .milliseconds(50))
        waiting.cancel()
        try await waiting.value
    }
}
