import Glibc

/// Replies and notifications on their way to the guest, in one piece of memory that is used again and again.
final class OutgoingMessages {
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    init() {
        memory = .allocate(byteCount: KernelProtocol.mostContent + (64 << 10), alignment: 4096)
    }

    deinit { memory.deallocate() }

    /// What has not been sent yet.
    var pending: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

    /// Takes away what was sent.
    func remove(_ count: Int) {
        start += min(max(count, 0), end - start)
        if start == end { (start, end) = (0, 0) }
    }

    /// A reply that is being written.
    struct Mark {
        fileprivate let position: Int
        fileprivate let unique: UInt64
    }

    /// Begins a reply; nothing is sent before it is finished.
    func begin(_ unique: UInt64) -> Mark {
        reserve(KernelProtocol.replyHeader)
        let mark = Mark(position: end - start, unique: unique)
        end += KernelProtocol.replyHeader
        return mark
    }

    /// Ends a reply. With an error it has no content, whatever was appended.
    func finish(_ mark: Mark, error: Int32 = 0) {
        if error != 0 { empty(mark) }
        writeHeader(mark, -error)
    }

    /// Takes back what was appended to a reply.
    func empty(_ mark: Mark) { end = start + mark.position + KernelProtocol.replyHeader }

    /// Takes up what an earlier server had not sent; the first message may be a part of one.
    func restore(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    /// Tells the guest that what it knows of a node's attributes is old.
    ///
    /// A negative offset leaves its pages alone: to drop them the kernel waits for reads that are under way, the replies
    /// to which may stand behind this message. It drops them itself when the attributes turn out to have changed.
    func invalidate(_ node: UInt64) {
        let begin = begin(0)
        append(node)
        append(Int64(-1))
        append(Int64(0))
        writeHeader(begin, KernelProtocol.invalidatesNode)
    }

    /// Appends a number.
    func append(_ number: some FixedWidthInteger) {
        let size = MemoryLayout.size(ofValue: number)
        reserve(size)
        store(number, at: end)
        end += size
    }

    /// Appends bytes.
    func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: memory[end..<end + bytes.count]).copyMemory(from: bytes)
        end += bytes.count
    }

    /// Appends zeros.
    func appendZeros(_ count: Int) {
        reserve(count)
        UnsafeMutableRawBufferPointer(rebasing: memory[end..<end + count]).initializeMemory(
            as: UInt8.self, repeating: 0)
        end += count
    }

    /// Appends as many bytes as `fill` says it has written into memory of `count` bytes.
    func append(upTo count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(ErrorNumber) -> Int) throws(ErrorNumber)
    {
        reserve(count)
        let filled = try fill(UnsafeMutableRawBufferPointer(rebasing: memory[end..<end + count]))
        end += min(max(filled, 0), count)
    }

    private func writeHeader(_ mark: Mark, _ errorOrCode: Int32) {
        let begin = start + mark.position
        store(UInt32(truncatingIfNeeded: end - begin), at: begin)
        store(errorOrCode, at: begin + 4)
        store(mark.unique, at: begin + 8)
    }

    private func store(_ number: some FixedWidthInteger, at position: Int) {
        withUnsafeBytes(of: number) { bytes in
            UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + bytes.count]).copyMemory(from: bytes)
        }
    }

    private func reserve(_ count: Int) {
        guard memory.count - end < count else { return }
        let kept = end - start
        var target = memory
        if memory.count < kept + count {
            target = .allocate(byteCount: max(kept + count, memory.count * 2), alignment: 4096)
        }
        // The two may overlap.
        if kept > 0, let to = target.baseAddress, let from = memory.baseAddress { memmove(to, from + start, kept) }
        if target.baseAddress != memory.baseAddress {
            memory.deallocate()
            memory = target
        }
        (start, end) = (0, kept)
    }
}
