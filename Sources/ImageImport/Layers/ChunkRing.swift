import Glibc

/// A few buffers that one thread fills and another empties, in order.
///
/// Unchecked, since the compiler cannot see how the buffers change hands: at any time each belongs to the writer or to
/// the reader alone, by `written` and `read`, which only change under the mutex. Mutex, condition and buffers live from
/// init to deinit.
final class ChunkRing: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let buffers: [UnsafeMutableRawBufferPointer]
    private var counts: [Int]
    private var written = 0
    private var read = 0
    private var isWhole = false
    private var isClosed = false

    init(buffers count: Int = 4, size: Int = 1 << 20) {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
        buffers = (0..<count).map { _ in .allocate(byteCount: size, alignment: 4096) }
        counts = Array(repeating: 0, count: count)
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Waits for a free buffer; `nil` when the ring was closed. For the writing thread.
    func nextFree() -> UnsafeMutableRawBufferPointer? {
        wait { isClosed || written - read < buffers.count }
        defer { pthread_mutex_unlock(mutex) }
        return isClosed ? nil : buffers[written % buffers.count]
    }

    /// Hands the buffer that ``nextFree()`` gave, with `count` bytes in it, to the reader.
    func commit(_ count: Int) {
        change {
            counts[written % buffers.count] = count
            written += 1
        }
    }

    /// Waits for a filled buffer; `nil` when the ring was closed, or finished and all has been read. For the reading
    /// thread.
    func nextFilled() -> UnsafeRawBufferPointer? {
        wait { isClosed || written > read || isWhole }
        defer { pthread_mutex_unlock(mutex) }
        if isClosed || written == read { return nil }
        return UnsafeRawBufferPointer(rebasing: buffers[read % buffers.count][..<counts[read % buffers.count]])
    }

    /// Gives the buffer that ``nextFilled()`` gave back to the writer.
    func release() { change { read += 1 } }

    /// Says that nothing more comes: the reader reads what is left.
    func finish() { change { isWhole = true } }

    /// Ends the work of both threads.
    func close() { change { isClosed = true } }

    /// Whether the writer finished and nobody closed the ring.
    var finished: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isWhole && !isClosed
    }

    /// Returns with the mutex locked.
    private func wait(until condition: () -> Bool) {
        pthread_mutex_lock(mutex)
        while !condition() { pthread_cond_wait(changed, mutex) }
    }

    private func change(_ body: () -> Void) {
        pthread_mutex_lock(mutex)
        body()
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
