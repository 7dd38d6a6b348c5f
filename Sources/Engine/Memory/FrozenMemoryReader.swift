import Glibc
import LinuxSystem

/// Reads a frozen machine's memory in ascending order, whichever files it lies in.
struct FrozenMemoryReader {
    private let pieces: [FrozenMemory.Piece]
    private var current = 0

    init(_ memory: FrozenMemory) { pieces = memory.pieces }

    /// Fills a buffer with what begins at `position`, which is no less than that of the last call.
    mutating func read(_ position: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) {
        var filled = 0
        while filled < buffer.count {
            let position = position + Int64(filled)
            while current < pieces.count, pieces[current].range.upperBound <= position { current += 1 }
            guard current < pieces.count else { throw SystemError("read a frozen machine's memory", number: EINVAL) }
            let piece = pieces[current]
            let end = min(buffer.count, filled + Int(clamping: piece.range.upperBound - position))
            try piece.file.fill(
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<end]),
                at: piece.offset + position - piece.range.lowerBound)
            filled = end
        }
    }
}

extension FrozenMemory {
    /// Whether a file of another memory is one of these, in the same place from below: what lies there is the same.
    func shares(_ index: Int, with other: FrozenMemory) throws(SystemError) -> Bool {
        guard index < files.count, index < other.files.count else { return false }
        return try FileNumber(files[index]) == FileNumber(other.files[index])
    }

    /// Asks the host to have the layers at hand that will soon be read.
    public func prefetch() {
        for layer in layers { posix_fadvise(layer.file.rawValue, 0, 0, POSIX_FADV_WILLNEED) }
    }
}
