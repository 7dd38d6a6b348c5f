/// The bytes of one direction of a connection: a ring that grows as needed and has no memory while it is empty.
///
/// Places are counted from the first byte. Bytes may be stored behind the last one before those between have come;
/// they count only when `extend` says so.
struct RingBuffer {
    private var base: UnsafeMutableRawPointer?
    /// A power of two, or 0.
    private(set) var capacity = 0
    private var head = 0
    /// Bytes in it.
    private(set) var count = 0
    /// The most that was needed since it last had no memory, which it begins with the next time.
    private var peak = 0

    /// Bytes that fit behind the last one.
    var free: Int { capacity - count }

    /// Sees to it that `needed` bytes fit in all, if the pool has so much.
    mutating func grow(to needed: Int, pool: BufferPool) -> Bool {
        guard needed > capacity else {
            peak = max(peak, needed)
            return true
        }
        var wanted = BufferPool.capacity(for: base == nil ? max(needed, peak) : needed)
        var taken = pool.take(wanted)
        if taken == nil, base == nil, peak > needed {
            wanted = BufferPool.capacity(for: needed)
            taken = pool.take(wanted)
        }
        guard let larger = taken else { return false }
        if let base {
            // Both parts lie within the old memory, and together they are shorter than the new.
            larger.copyMemory(from: base + head, byteCount: capacity - head)
            (larger + (capacity - head)).copyMemory(from: base, byteCount: head)
            pool.give(base, capacity: capacity)
        } else {
            peak = 0
        }
        peak = max(peak, needed)
        base = larger
        capacity = wanted
        head = 0
        return true
    }

    /// Gives the memory back; what was in it is gone.
    mutating func release(to pool: BufferPool) {
        if let base { pool.give(base, capacity: capacity) }
        base = nil
        capacity = 0
        head = 0
        count = 0
    }

    /// The first bytes, as many as lie together in memory.
    var front: UnsafeRawBufferPointer {
        guard let base, count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        // `head` is less than the capacity, and the length stops at its end.
        return UnsafeRawBufferPointer(start: base + head, count: min(count, capacity - head))
    }

    /// The room behind the last byte, as much as lies together in memory.
    var room: UnsafeMutableRawBufferPointer {
        guard let base, free > 0 else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        let tail = (head + count) & (capacity - 1)
        // From the tail to the head or the end of the memory, whatever is first.
        return UnsafeMutableRawBufferPointer(start: base + tail, count: min(free, capacity - tail))
    }

    /// At most `length` bytes from `offset` on, in the two parts in which they lie in memory.
    func parts(_ offset: Int, _ length: Int) -> (UnsafeRawBufferPointer, UnsafeRawBufferPointer) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        guard let base, offset >= 0, offset < count, length > 0 else { return (none, none) }
        let length = min(length, count - offset)
        let start = (head + offset) & (capacity - 1)
        let first = min(length, capacity - start)
        // The first part ends at the end of the memory, the second begins at its beginning; both are within it.
        return (
            UnsafeRawBufferPointer(start: base + start, count: first),
            UnsafeRawBufferPointer(start: base, count: length - first)
        )
    }

    /// Copies bytes to the place `offset`, which may lie behind the last byte; nothing when they would not fit.
    mutating func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard let base, let source = bytes.baseAddress, offset >= 0, bytes.count <= capacity - offset else { return }
        let start = (head + offset) & (capacity - 1)
        let first = min(bytes.count, capacity - start)
        // As in `parts`; a frame of the guest and the memory of a ring are never the same.
        (base + start).copyMemory(from: source, byteCount: first)
        base.copyMemory(from: source + first, byteCount: bytes.count - first)
    }

    /// Counts bytes that are stored behind the last one.
    mutating func extend(_ length: Int) { count += max(0, min(length, free)) }

    /// Drops the first bytes.
    mutating func consume(_ length: Int) {
        let length = max(0, min(length, count))
        count -= length
        head = capacity == 0 ? 0 : (head + length) & (capacity - 1)
    }
}
