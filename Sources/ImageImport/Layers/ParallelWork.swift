import Glibc
import LinuxSystem
import Synchronization

/// Runs jobs on as many threads as there are processors, and on the calling one alone when there is but one job.
///
/// After the first failure no further job begins, `cancellation` tells those that run, and that failure is thrown.
func inParallel<Job: Sendable, Output: Sendable>(
    _ jobs: [Job], _ cancellation: Cancellation,
    _ body: @escaping @Sendable (Job) throws(ImageImportError) -> Output
) throws(ImageImportError) -> [Output] {
    let progress = Progress<Output>(count: jobs.count)
    let work: @Sendable () -> Void = {
        while let number = progress.begin() {
            do throws(ImageImportError) {
                try progress.end(number, body(jobs[number]))
            } catch {
                progress.fail(error)
                cancellation.cancel()
            }
        }
    }
    var helpers: [Completion<Void>] = []
    for _ in 1..<max(1, min(jobs.count, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) {
        // One thread less is no reason to fail.
        if let helper = try? Completion(of: work) { helpers.append(helper) }
    }
    work()
    for helper in helpers { helper.wait() }
    return try progress.outputs()
}

private final class Progress<Output: Sendable>: Sendable {
    private struct State {
        var next = 0
        var outputs: [Int: Output] = [:]
        var failure: ImageImportError?
    }

    private let count: Int
    private let state = Mutex(State())

    init(count: Int) { self.count = count }

    func begin() -> Int? {
        state.withLock { state in
            guard state.failure == nil, state.next < count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    func end(_ number: Int, _ output: Output) { state.withLock { $0.outputs[number] = output } }

    func fail(_ error: ImageImportError) { state.withLock { $0.failure = $0.failure ?? error } }

    func outputs() throws(ImageImportError) -> [Output] {
        let state = state.withLock { $0 }
        if let failure = state.failure { throw failure }
        return (0..<count).compactMap { state.outputs[$0] }
    }
}
