import LinuxSystem

/// A file that one side appends to while the other reads what is there already.
final class GrowingFile: Sendable {
    private enum End { case finished, failed }

    private struct State {
        var count: Int64 = 0
        var end: End?
    }

    private let file: Descriptor
    private let state = Monitor(State())

    /// Grows an empty file.
    init(_ file: Descriptor) { self.file = file }

    /// How many bytes are there.
    var count: Int64 { state.look(\.count) }

    /// Adds bytes at the end. Blocks the calling thread. For one writer.
    func append(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        try file.write(bytes, at: count)
        state.change { $0.count += Int64(bytes.count) }
    }

    /// Says that nothing more comes.
    func finish() { state.change { $0.end = $0.end ?? .finished } }

    /// Ends all reading, now and later.
    func fail() { state.change { $0.end = .failed } }

    /// Waits for bytes at `offset` and reads them; 0 at the end of the finished file, `nil` when it failed.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int? {
        // Less than 0 when it failed.
        let available = state.wait { state -> Int64? in
            if state.end == .failed { return -1 }
            if state.count > offset { return state.count - offset }
            return state.end == .finished ? 0 : nil
        }
        guard available >= 0 else { return nil }
        let wanted = Int(min(Int64(buffer.count), available))
        if wanted == 0 { return 0 }
        return try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
    }
}
