import Synchronization

/// State that tasks wait for changes of, first come first served. Who is cancelled while waiting stops waiting.
final class WaitingLine<State: Sendable, Value: Sendable>: Sendable {
    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Value, any Error>
    }

    private struct Guarded {
        var state: State
        var waiters: [Waiter] = []
        var last: UInt64 = 0
    }

    private let guarded: Mutex<Guarded>
    /// What there is for the next in line, taken out of the state; `nil` when it has to wait.
    private let take: @Sendable (inout State) -> Result<Value, any Error>?

    /// A line before a state.
    init(_ state: State, take: @escaping @Sendable (inout State) -> Result<Value, any Error>?) {
        guarded = Mutex(Guarded(state: state))
        self.take = take
    }

    /// Changes the state, and serves whoever waits.
    func change<Answer: Sendable>(_ body: (inout State) -> Answer) -> Answer {
        let (answer, served) = guarded.withLock { guarded in
            let answer = body(&guarded.state)
            var served: [(Waiter, Result<Value, any Error>)] = []
            while let waiter = guarded.waiters.first, let value = take(&guarded.state) {
                guarded.waiters.removeFirst()
                served.append((waiter, value))
            }
            return (answer, served)
        }
        for (waiter, value) in served { waiter.continuation.resume(with: value) }
        return answer
    }

    /// Waits in the line.
    /// - Throws: what the state has for the waiting, `CancellationError`.
    func next() async throws -> Value {
        let number = guarded.withLock { guarded in
            guarded.last += 1
            return guarded.last
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { wait(Waiter(number: number, continuation: $0)) }
        } onCancel: {
            giveUp(number)
        }
    }

    private func wait(_ waiter: Waiter) {
        let value = guarded.withLock { guarded -> Result<Value, any Error>? in
            // Whoever is cancelled from now on is found in the line.
            if Task.isCancelled { return .failure(CancellationError()) }
            if guarded.waiters.isEmpty, let value = take(&guarded.state) { return value }
            guarded.waiters.append(waiter)
            return nil
        }
        if let value { waiter.continuation.resume(with: value) }
    }

    private func giveUp(_ number: UInt64) {
        let waiter = guarded.withLock { guarded -> Waiter? in
            guard let index = guarded.waiters.firstIndex(where: { $0.number == number }) else { return nil }
            return guarded.waiters.remove(at: index)
        }
        waiter?.continuation.resume(throwing: CancellationError())
    }
}
