import Checkpoint
import Glibc
import LinuxSystem

/// Writes down what a machine that stands still has changed of its memory.
struct MemoryCapture {
    /// The engine's memory, and where the machine's lies in it.
    let memory: ProcessMemory
    let bounds: Range<UInt64>

    /// How many pages are looked at at once.
    private static let window = 1 << 16
    private static let bufferSize = 4 << 20

    /// Writes pages to a file, which is empty.
    func write(_ runs: [MemoryLayer.Run], to file: Descriptor) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
        defer { buffer.deallocate() }
        var filled = 0
        for run in runs {
            var address = bounds.lowerBound + UInt64(run.start * MemoryLayer.pageSize)
            var rest = run.count * MemoryLayer.pageSize
            while rest > 0 {
                let count = min(rest, buffer.count - filled)
                try memory.read(address, into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + count]))
                (address, rest, filled) = (address + UInt64(count), rest - count, filled + count)
                if filled == buffer.count {
                    try file.write(UnsafeRawBufferPointer(buffer))
                    filled = 0
                }
            }
        }
        try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
    }

    /// Which of some pages are not as in another memory.
    func different(_ runs: [MemoryLayer.Run], from other: FrozenMemory) throws -> [MemoryLayer.Run] {
        var reader = FrozenMemoryReader(other)
        var result: [MemoryLayer.Run] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Self.compared, alignment: 4096)
        defer { buffer.deallocate() }
        for run in runs {
            for first in stride(from: run.start, to: run.end, by: Self.compared / MemoryLayer.pageSize) {
                let length = min(Self.compared, (run.end - first) * MemoryLayer.pageSize)
                let mine = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                let theirs = UnsafeMutableRawBufferPointer(rebasing: buffer[Self.compared..<Self.compared + length])
                let position = first * MemoryLayer.pageSize
                try memory.read(bounds.lowerBound + UInt64(position), into: mine)
                try reader.read(Int64(position), into: theirs)
                for offset in stride(from: 0, to: length, by: MemoryLayer.pageSize)
                where !Self.isSame(mine, theirs, offset) {
                    let page = first + offset / MemoryLayer.pageSize
                    if let last = result.last, last.end == page {
                        result[result.count - 1].count += 1
                    } else {
                        result.append(.init(start: page, count: 1))
                    }
                }
            }
        }
        return result
    }

    /// How many bytes are compared at once.
    private static let compared = 1 << 20

    private static func isSame(
        _ first: UnsafeMutableRawBufferPointer, _ second: UnsafeMutableRawBufferPointer, _ offset: Int
    ) -> Bool {
        guard let first = first.baseAddress, let second = second.baseAddress else { return true }
        return memcmp(first + offset, second + offset, MemoryLayer.pageSize) == 0
    }

    /// The pages that differ from the files behind them.
    func changed() throws -> [MemoryLayer.Run] {
        var runs: [MemoryLayer.Run] = []
        let pages = Int(bounds.upperBound - bounds.lowerBound) / MemoryLayer.pageSize
        for first in stride(from: 0, to: pages, by: Self.window) {
            let start = bounds.lowerBound + UInt64(first * MemoryLayer.pageSize)
            let end = min(start + UInt64(Self.window * MemoryLayer.pageSize), bounds.upperBound)
            for (index, page) in try memory.pages(start..<end).enumerated() where page == .changed {
                if let last = runs.last, last.end == first + index {
                    runs[runs.count - 1].count += 1
                } else {
                    runs.append(.init(start: first + index, count: 1))
                }
            }
        }
        return runs
    }
}
