/// How often and when something is tried again.
struct RetryPolicy: Sendable {
    let limits: RegistryLimits

    /// Repeats `body` while its failures may pass.
    /// - Parameters:
    ///   - attempts: how many failures in a row are the end.
    ///   - progress: how many bytes are there in all; enough new ones make a failure count as the first.
    func repeating<Result>(
        attempts: Int, progress: () async -> Int64 = { 0 }, _ body: () async throws(AttemptFailure) -> Result
    ) async throws(AttemptFailure) -> Result {
        var failures = 0
        while true {
            let before = await progress()
            do { return try await body() } catch {
                let after = await progress()
                if after - before >= limits.meaningfulProgress { failures = 0 }
                failures += 1
                guard error.isTransient, failures < min(attempts, limit(error, bytes: after)) else { throw error }
                do { try await Task.sleep(for: pause(after: failures, asked: error.pause)) } catch {
                    throw AttemptFailure(.cancelled)
                }
            }
        }
    }

    /// How many failures in a row like this one are the end.
    private func limit(_ failure: AttemptFailure, bytes: Int64) -> Int {
        // What was never reached is more likely misspelt than about to come back.
        if failure.isUnreachable && bytes == 0 { return limits.unreachableAttempts }
        if case .tooSlow = failure.error { return limits.slowAttempts }
        return limits.attempts
    }

    /// The pause after a number of failures: at least what the server asks for, up to the limit.
    func pause(after failures: Int, asked: Duration?) -> Duration {
        let doubled = limits.firstPause * Double(1 << min(max(failures - 1, 0), 30))
        let own = doubled * Double.random(in: 0.5...1)
        return min(max(own, asked ?? .zero), limits.longestPause)
    }
}
