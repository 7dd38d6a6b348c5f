import NetworkAddress
import SandboxState
import Synchronization
import Testing

@testable import Gateway

@Suite("Events of the network")
struct EventRecorderTests {
    private static let second: UInt64 = 1_000_000_000

    private final class Told: Sendable {
        let events = Mutex<[NetworkEvent]>([])
    }

    @Test("a flood is told in part, and then how much was left out")
    func flood() {
        let told = Told()
        var recorder = EventRecorder("abc") { event in told.events.withLock { $0.append(event) } }
        let start = 5 * Self.second
        for _ in 0..<1000 { recorder.record(NetworkEvent(.deny, "abc"), at: start) }
        #expect(told.events.withLock { $0.count } == 200)
        let deadline = recorder.deadline
        #expect(deadline.map { $0 > start && $0 <= start + 2 * Self.second } == true)
        recorder.tellLeftOut(at: start + 2 * Self.second)
        #expect(told.events.withLock { $0.last?.action } == .leftOut)
        #expect(told.events.withLock { $0.last?.count } == 800)
        #expect(recorder.deadline == nil)
        recorder.record(NetworkEvent(.deny, "abc"), at: start + 3 * Self.second)
        #expect(told.events.withLock { $0.last?.action } == .deny)
    }
}
