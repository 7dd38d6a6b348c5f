/// The memory of all buffers of connections, within one bound. Buffers are powers of two; a few that were given back are
/// kept, so that a busy connection, whose buffers empty all the time, does not go to the system each time.
final class BufferPool {
    static let smallest = 4096
    /// Bytes that are kept for the next one.
    private static let keptLimit = 8 << 20

    private let limit: Int
    /// Bytes in use.
    private(set) var used = 0
    private var kept: [[UnsafeMutableRawPointer]] = Array(repeating: [], count: 64)
    private var keptBytes = 0

    init(limit: Int) { self.limit = limit }

    deinit { for buffer in kept.joined() { buffer.deallocate() } }

    /// Bytes that are left.
    var remaining: Int { max(0, limit - used) }

    /// The least capacity that holds `count` bytes.
    static func capacity(for count: Int) -> Int {
        var capacity = smallest
        while capacity < count, capacity < 1 << 40 { capacity &<<= 1 }
        return capacity
    }

    /// A buffer of `capacity` bytes, which came from `capacity(for:)`; `nil` at the bound. The last quarter is for the
    /// first few kilobytes of each connection, so that some with much do not stop those with little.
    func take(_ capacity: Int) -> UnsafeMutableRawPointer? {
        guard canTake(capacity) else { return nil }
        used += capacity
        if let buffer = kept[capacity.trailingZeroBitCount].popLast() {
            keptBytes -= capacity
            return buffer
        }
        return UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
    }

    /// Whether `take` would give a buffer of this capacity.
    func canTake(_ capacity: Int) -> Bool {
        capacity > 0 && used + capacity <= (capacity <= 4 * Self.smallest ? limit : limit / 4 * 3)
    }

    /// Takes a buffer back that `take` gave for this capacity.
    func give(_ buffer: UnsafeMutableRawPointer, capacity: Int) {
        used -= capacity
        guard keptBytes + capacity <= Self.keptLimit else {
            buffer.deallocate()
            return
        }
        keptBytes += capacity
        kept[capacity.trailingZeroBitCount].append(buffer)
    }
}
