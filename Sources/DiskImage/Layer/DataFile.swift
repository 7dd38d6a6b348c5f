import Glibc
import LinuxSystem

/// Writes a layer's data file front to back, in few large writes.
struct DataFile: ~Copyable, @unchecked Sendable {
    private static let capacity = 4 << 20
    /// Longer runs of zeros than this become holes.
    private static let longestWrittenGap: Int64 = 256 << 10

    private let file: Descriptor
    /// Sound to send: allocated by this value, freed in its deinit, reachable through nothing else; the value cannot
    /// be copied.
    private let buffer: UnsafeMutableRawBufferPointer
    private var filled = 0
    /// Where in the file the buffer's first byte goes.
    private var start: Int64 = 0

    init(_ file: Descriptor) {
        self.file = file
        buffer = .allocate(byteCount: Self.capacity, alignment: Block.size)
    }

    deinit { buffer.deallocate() }

    /// The length so far.
    var position: Int64 { start + Int64(filled) }

    /// Adds bytes at the end.
    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(DiskImageError) {
        var rest = bytes
        while true {
            let count = min(rest.count, buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            filled += count
            if count == rest.count { return }
            try flush()
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Goes on to a later position; what lies between reads as zeros.
    mutating func advance(to position: Int64) throws(DiskImageError) {
        var gap = position - self.position
        if gap > Self.longestWrittenGap {
            try flush()
            start = position
            return
        }
        while gap > 0 {
            if filled == buffer.count { try flush() }
            let count = min(Int(gap), buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + count]).initializeMemory(
                as: UInt8.self, repeating: 0)
            filled += count
            gap -= Int64(count)
        }
    }

    /// Goes on to the next block.
    mutating func align() throws(DiskImageError) { try advance(to: Block.roundUp(position)) }

    /// Writes what is left and gives the file its length, a multiple of the block size.
    mutating func finish() throws(DiskImageError) -> Int64 {
        try align()
        try flush()
        guard ftruncate(file.rawValue, off_t(start)) == 0 else {
            throw .system(SystemError("set the length of the layer's data file"))
        }
        return start
    }

    private mutating func flush() throws(DiskImageError) {
        do { try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<filled]), at: start) } catch {
            throw .system(error)
        }
        start += Int64(filled)
        filled = 0
    }
}
