import LinuxSystem

/// A few buffers that one thread fills and another empties, in order.
///
/// Unchecked, since the compiler cannot see how the buffers change hands: at any time each belongs to the writer or to
/// the reader alone, by the counts of the state. The buffers live from init to deinit.
final class ChunkRing: @unchecked Sendable {
    private struct State {
        var counts: [Int]
        var written = 0
        var read = 0
        var isWhole = false
        var isClosed = false
    }

    private enum Place {
        case buffer(Int)
        case closed
    }

    private let buffers: [UnsafeMutableRawBufferPointer]
    private let state: Monitor<State>

    init(buffers count: Int = 4, size: Int = 1 << 20) {
        buffers = (0..<count).map { _ in .allocate(byteCount: size, alignment: 4096) }
        state = Monitor(State(counts: Array(repeating: 0, count: count)))
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
    }

    /// Waits for a free buffer; `nil` when the ring was closed. For the writing thread.
    func nextFree() -> UnsafeMutableRawBufferPointer? {
        let place = state.wait { state -> Place? in
            if state.isClosed { return .closed }
            return state.written - state.read < buffers.count ? .buffer(state.written % buffers.count) : nil
        }
        if case .buffer(let number) = place { return buffers[number] }
        return nil
    }

    /// Hands the buffer that ``nextFree()`` gave, with `count` bytes in it, to the reader.
    func commit(_ count: Int) {
        state.change { state in
            state.counts[state.written % buffers.count] = count
            state.written += 1
        }
    }

    /// Waits for a filled buffer; `nil` when the ring was closed, or finished and all has been read. For the reading
    /// thread.
    func nextFilled() -> UnsafeRawBufferPointer? {
        let place = state.wait { state -> Place? in
            if state.isClosed { return .closed }
            if state.written == state.read { return state.isWhole ? .closed : nil }
            return .buffer(state.read % buffers.count)
        }
        guard case .buffer(let number) = place else { return nil }
        return UnsafeRawBufferPointer(rebasing: buffers[number][..<state.look { $0.counts[number] }])
    }

    /// Gives the buffer that ``nextFilled()`` gave back to the writer.
    func release() { state.change { $0.read += 1 } }

    /// Says that nothing more comes: the reader reads what is left.
    func finish() { state.change { $0.isWhole = true } }

    /// Ends the work of both threads.
    func close() { state.change { $0.isClosed = true } }

    /// Whether the writer finished and nobody closed the ring.
    var finished: Bool { state.look { $0.isWhole && !$0.isClosed } }
}
