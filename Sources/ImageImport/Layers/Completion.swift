import LinuxSystem

/// The result of work on a thread of its own, for which another thread waits.
final class Completion<Value: Sendable>: Sendable {
    private let result = Monitor<Value?>(nil)

    /// Starts the work.
    init(of work: @escaping @Sendable () -> Value) throws(SystemError) {
        try DedicatedThread.start { [result] in
            let value = work()
            result.change { $0 = value }
        }
    }

    /// Waits for the end of the work. Blocks the calling thread.
    func wait() -> Value { result.wait { $0 } }
}
