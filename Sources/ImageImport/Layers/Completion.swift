import Glibc
import LinuxSystem

/// The result of work on a thread of its own, for which another thread waits.
///
/// Unchecked, since the compiler cannot see that `value` is only touched under the mutex. Mutex and condition live from
/// init to deinit.
final class Completion<Value: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let isThere = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value?

    /// Starts the work.
    init(of work: @escaping @Sendable () -> Value) throws(SystemError) {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(isThere, nil)
        try DedicatedThread.start { [self] in
            let value = work()
            pthread_mutex_lock(mutex)
            self.value = value
            pthread_cond_broadcast(isThere)
            pthread_mutex_unlock(mutex)
        }
    }

    deinit {
        pthread_cond_destroy(isThere)
        pthread_mutex_destroy(mutex)
        isThere.deallocate()
        mutex.deallocate()
    }

    /// Waits for the end of the work. Blocks the calling thread.
    func wait() -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let value { return value }
            pthread_cond_wait(isThere, mutex)
        }
    }
}
