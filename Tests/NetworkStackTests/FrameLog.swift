import NetworkStack

/// An output that keeps its frames, and may be full.
final class FrameLog: FrameOutput {
    private(set) var frames: [[UInt8]] = []
    /// How many bytes fit until somebody takes them.
    var capacity = Int.max
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 65535, alignment: 16)
    private var used = 0
    private(set) var wasFull = false

    deinit { memory.deallocate() }

    func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer? {
        guard used + count <= capacity, count <= memory.count else {
            wasFull = true
            return nil
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    }

    func commit(_ count: Int) {
        frames.append(Array(memory[..<count]))
        used += count
    }

    /// All frames since the last time.
    func take() -> [[UInt8]] {
        defer {
            frames = []
            used = 0
            wasFull = false
        }
        return frames
    }
}
