import Synchronization

/// Watches one exchange with a server, so that a silent or trickling one is noticed. Only the time in which the
/// network is waited for counts, not that of the disk at this end.
final class TransferMeter: Sendable {
    /// What is being waited for.
    private enum Phase {
        /// The head of the answer, until then.
        case answer(deadline: ContinuousClock.Instant)
        /// Bytes of a body, in either direction.
        case bytes
    }

    private struct State {
        var phase: Phase
        var count: Int64 = 0
        /// How long the network was waited for in this window, without the wait that goes on.
        var waited: Duration = .zero
        var waitingSince: ContinuousClock.Instant?
    }

    private let state: Mutex<State>
    private let limits: RegistryLimits
    private let responseTime: Duration

    /// Begins to wait: for the answer, or for the network to take a body.
    init(_ limits: RegistryLimits, responseTime: Duration, sendsBody: Bool) {
        self.limits = limits
        self.responseTime = responseTime
        let now = ContinuousClock.now
        state = Mutex(State(phase: sendsBody ? .bytes : .answer(deadline: now + responseTime), waitingSince: now))
    }

    /// The network has given or taken bytes, and is not waited for until ``wait()``.
    func advance(_ count: Int) {
        let now = ContinuousClock.now
        state.withLock { state in
            state.count += Int64(count)
            if let since = state.waitingSince { state.waited += now - since }
            state.waitingSince = nil
        }
    }

    /// The network is waited for.
    func wait() { state.withLock { $0.waitingSince = $0.waitingSince ?? .now } }

    /// The body is sent: what comes next is the head of the answer.
    func bodyIsSent() {
        let deadline = ContinuousClock.now + responseTime
        state.withLock { $0.phase = .answer(deadline: deadline) }
    }

    /// The head of the answer is here: what comes next is its body.
    func headIsHere() {
        state.withLock { state in
            state.phase = .bytes
            state.count = 0
            state.waited = .zero
            state.waitingSince = .now
        }
    }

    /// Returns only by an error: ``Slowness`` as soon as the exchange is too slow, or that of cancellation.
    func watch() async throws -> Never {
        while true {
            let next = try check(.now)
            try await Task.sleep(until: next, clock: .continuous)
        }
    }

    /// How an exchange was too slow.
    struct Slowness: Error { let reason: String }

    /// Judges the window that ends now, and begins the next one.
    /// - Returns: when to look again.
    private func check(_ now: ContinuousClock.Instant) throws(Slowness) -> ContinuousClock.Instant {
        let limits = limits
        let responseTime = responseTime
        let verdict: Result<ContinuousClock.Instant, Slowness> = state.withLock { state in
            if case .answer(let deadline) = state.phase {
                guard now < deadline else { return .failure(Slowness(reason: "no answer for \(responseTime)")) }
                return .success(min(deadline, now + limits.rateWindow))
            }
            if let since = state.waitingSince {
                state.waited += now - since
                state.waitingSince = now
            }
            // A window in which this end was the slower one says nothing about the server.
            guard state.waited >= limits.rateWindow * 0.9 else {
                return .success(now + limits.rateWindow - state.waited)
            }
            let rate = Double(state.count) / (state.waited / .seconds(1))
            guard rate >= Double(limits.minimumRate) else {
                let bytes = state.count == 0 ? "nothing" : "\(state.count) bytes"
                return .failure(
                    Slowness(reason: "\(bytes) in \(limits.rateWindow), less than \(limits.minimumRate) bytes/s"))
            }
            state.count = 0
            state.waited = .zero
            return .success(now + limits.rateWindow)
        }
        return try verdict.get()
    }
}
