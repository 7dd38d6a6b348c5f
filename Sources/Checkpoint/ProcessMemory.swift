import Glibc
import LinuxSystem

/// The memory of another process of the same user: what is in it, and what of it differs from the files it came from.
///
/// Whoever wants to see one moment of it stops the process, or has it stand still.
public struct ProcessMemory: Sendable {
    /// What a page of memory is that belongs to the process alone.
    public enum Page: Sendable {
        /// Nothing was written to it: it reads as the file behind it, or as zeros where there is none.
        case untouched
        /// It has content of its own.
        case changed
    }

    private let pid: pid_t
    private let memory: Descriptor

    /// Opens a process's memory for reading.
    public init(of pid: pid_t) throws(SystemError) {
        self.pid = pid
        memory = try Descriptor(opening: "/proc/\(pid)/mem")
    }

    /// Where the process has mapped a file: from the beginning of the first mapping to the end of the last.
    /// - Throws: ``CheckpointError`` when it has not.
    public func bounds(of file: Descriptor) throws -> Range<UInt64> {
        let inode = UInt64(try file.status().st_ino)
        let ranges = try ranges().filter { $0.inode == inode }
        guard let first = ranges.first, let last = ranges.last else {
            throw CheckpointError("the file of its memory is not mapped")
        }
        return first.bounds.lowerBound..<last.bounds.upperBound
    }

    /// How the pages of a range are, one after the other. See the kernel's `admin-guide/mm/pagemap`.
    /// - Parameter bounds: addresses, whole pages.
    public func pages(_ bounds: Range<UInt64>) throws -> [Page] {
        let pagemap = try Descriptor(opening: "/proc/\(pid)/pagemap")
        var words = [UInt64](repeating: 0, count: Int((bounds.upperBound - bounds.lowerBound) / 4096))
        try words.withUnsafeMutableBytes { try Self.fill($0, from: pagemap, at: bounds.lowerBound / 4096 * 8) }
        return words.map { word in
            let (isPresent, isSwapped, isFile) = (word >> 63 != 0, word >> 62 & 1 != 0, word >> 61 & 1 != 0)
            return isSwapped || isPresent && !isFile ? .changed : .untouched
        }
    }

    /// Bytes of the memory.
    public func read(_ address: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try Self.fill(buffer, from: memory, at: address)
    }

    /// All ranges, in order.
    func ranges() throws -> [MemoryRange] {
        let text = String(decoding: try FileTree.read("/proc/\(pid)/maps"), as: UTF8.self)
        return try text.split(separator: "\n").map { line in
            guard let range = MemoryRange(line: line) else { throw CheckpointError("unknown memory '\(line)'") }
            return range
        }
    }

    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from file: Descriptor, at offset: UInt64
    ) throws {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try file.read(into: rest, at: Int64(offset) + Int64(done))
            guard count > 0 else { throw CheckpointError("its memory cannot be read") }
            done += count
        }
    }
}
