import InterceptionProtocol
import LinuxSystem
import NIOConcurrencyHelpers

/// Says events to the gateway from a thread of its own, so that nothing waits for a gateway that is behind. Refusals, which
/// a guest can cause at will, are limited; how many were left out is said.
///
/// Sound as Sendable since its state is only touched under the lock.
final class EventSender: @unchecked Sendable {
    /// Refusals at once, and for each second.
    private static let burst = 200.0
    private static let rate = 50.0
    /// Events that wait for the gateway.
    private static let mostWaiting = 8192

    private let socket: InterceptionSocket
    /// Its value is 1 when something waits.
    private let lock = ConditionLock(value: 0)
    private var waiting: [InterceptionEvent] = []
    private var allowance = EventSender.burst
    private var last = ContinuousClock.now
    private var omitted = 0

    /// Says events on a socket until the process ends.
    init(_ socket: InterceptionSocket) throws(SystemError) {
        self.socket = socket
        try DedicatedThread.start { [self] in sendAll() }
    }

    /// Says something soon.
    func say(_ event: InterceptionEvent) {
        lock.lock()
        defer { lock.unlock(withValue: waiting.isEmpty ? 0 : 1) }
        switch event {
        case .refused, .unreplaced:
            let now = ContinuousClock.now
            allowance = min(Self.burst, allowance + Self.rate * ((now - last) / .seconds(1)))
            last = now
            guard allowance >= 1 else {
                omitted += 1
                return
            }
            allowance -= 1
        default: break
        }
        guard waiting.count < Self.mostWaiting else {
            omitted += 1
            return
        }
        if omitted > 0 {
            waiting.append(.omitted(omitted))
            omitted = 0
        }
        waiting.append(event)
    }

    private func sendAll() {
        while true {
            lock.lock(whenValue: 1)
            let events = waiting
            waiting = []
            lock.unlock(withValue: 0)
            // When the gateway is gone, the process ends soon.
            for event in events { try? socket.say(event, waits: true) }
        }
    }
}
