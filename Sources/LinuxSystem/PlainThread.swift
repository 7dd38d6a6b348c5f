import Glibc

/// A thread of its own, for work that blocks: Swift's cooperative pool must not.
public struct PlainThread {
    private let thread: pthread_t

    /// Starts `body`.
    public init(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = Unmanaged.passRetained(Box(body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                // The one reference that passRetained made is taken over here.
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SystemError("start a thread", number: result)
        }
        self.thread = thread
    }

    /// Waits for the end of the thread. Call it once.
    public func join() { pthread_join(thread, nil) }

    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
