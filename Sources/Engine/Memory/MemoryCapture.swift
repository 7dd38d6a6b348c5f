import Checkpoint
import LinuxSystem

/// Writes down what a machine that stands still has changed of its memory.
struct MemoryCapture {
    /// The engine's memory, and where the machine's lies in it.
    let memory: ProcessMemory
    let bounds: Range<UInt64>

    /// How many pages are looked at at once.
    private static let window = 1 << 16
    private static let bufferSize = 4 << 20

    /// Writes the pages to a file, which is empty.
    /// - Parameter others: pages that are written too, changed or not.
    func write(to file: Descriptor, including others: [MemoryLayer.Run]) throws -> [MemoryLayer.Run] {
        let runs = try changed().union(others).joined()
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
        return runs
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
