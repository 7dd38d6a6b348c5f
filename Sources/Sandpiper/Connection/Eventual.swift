import Synchronization

/// A value that comes once, and that any number of tasks wait for. Who is cancelled while waiting stops waiting.
final class Eventual<Value: Sendable>: Sendable {
    private enum State {
        case pending([UInt64: CheckedContinuation<Value, any Error>])
        case settled(Result<Value, any Error>)
    }

    private let state = Mutex((state: State.pending([:]), last: UInt64(0)))

    /// The value has come, or never will; all but the first are ignored.
    func settle(_ result: Result<Value, any Error>) {
        let waiting = state.withLock { current -> [CheckedContinuation<Value, any Error>] in
            guard case .pending(let waiting) = current.state else { return [] }
            current.state = .settled(result)
            return Array(waiting.values)
        }
        for continuation in waiting { continuation.resume(with: result) }
    }

    /// The value, if it has come.
    var settled: Result<Value, any Error>? {
        state.withLock { if case .settled(let result) = $0.state { result } else { nil } }
    }

    /// Waits for the value.
    /// - Throws: what it was settled with, `CancellationError`.
    var value: Value {
        get async throws {
            let number = state.withLock { current in
                current.last += 1
                return current.last
            }
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { wait($0, number) }
            } onCancel: {
                giveUp(number)
            }
        }
    }

    private func wait(_ continuation: CheckedContinuation<Value, any Error>, _ number: UInt64) {
        let known = state.withLock { current -> Result<Value, any Error>? in
            switch current.state {
            case .settled(let result): return result
            case .pending(var waiting):
                // Whoever is cancelled from now on finds the continuation under its number.
                if Task.isCancelled { return .failure(CancellationError()) }
                waiting[number] = continuation
                current.state = .pending(waiting)
                return nil
            }
        }
        if let known { continuation.resume(with: known) }
    }

    private func giveUp(_ number: UInt64) {
        let continuation = state.withLock { current -> CheckedContinuation<Value, any Error>? in
            guard case .pending(var waiting) = current.state else { return nil }
            let continuation = waiting.removeValue(forKey: number)
            current.state = .pending(waiting)
            return continuation
        }
        continuation?.resume(throwing: CancellationError())
    }
}

extension Eventual where Value == Void {
    /// It has happened.
    func settle() { settle(.success(())) }
}
