import Checkpoint
import Glibc
import LinuxSystem

/// The memory of a frozen machine: a file as long as the memory, and layers of pages over it.
///
/// Machines that go on from it share what they do not change, and so do frozen machines that have a file in common.
public struct FrozenMemory: Sendable {
    /// Bytes.
    public var size: Int64
    /// What lies below all layers, opened for reading.
    public var base: Descriptor
    /// The lowest first.
    public var layers: [MemoryLayer]

    /// A frozen machine's memory.
    public init(size: Int64, base: Descriptor, layers: [MemoryLayer] = []) {
        self.size = size
        self.base = base
        self.layers = layers
    }

    /// All files: the base, then the layers'.
    var files: [Descriptor] { [base] + layers.map(\.file) }

    /// The memory from its beginning to its end; a file's number is its place in ``files``.
    var parts: [Checkpoint.OwnedMemory.Part] {
        let page = MemoryLayer.pageSize
        var segments = [Segment(start: 0, count: Int(size) / page, file: 0, first: 0)]
        for (index, layer) in layers.enumerated() { segments = Self.cover(segments, with: layer, file: index + 1) }
        return segments.map {
            .init(length: Int64($0.count * page), file: $0.file, offset: Int64($0.first * page))
        }
    }

    /// Pages of one file.
    private struct Segment {
        var start: Int
        var count: Int
        var file: Int
        /// The first page in the file.
        var first: Int

        var end: Int { start + count }

        /// What is left of it from a page on.
        func from(_ page: Int) -> Segment {
            Segment(start: page, count: end - page, file: file, first: first + page - start)
        }

        func upTo(_ page: Int) -> Segment { Segment(start: start, count: page - start, file: file, first: first) }
    }

    private static func cover(_ segments: [Segment], with layer: MemoryLayer, file: Int) -> [Segment] {
        var result: [Segment] = []
        result.reserveCapacity(segments.count + 2 * layer.runs.count)
        var next = segments.makeIterator()
        var current = next.next()
        var first = 0
        for run in layer.runs {
            while let segment = current, segment.start < run.end {
                if segment.start < run.start { result.append(segment.upTo(min(run.start, segment.end))) }
                current = segment.end > run.end ? segment.from(run.end) : next.next()
            }
            result.append(Segment(start: run.start, count: run.count, file: file, first: first))
            first += run.count
        }
        while let segment = current {
            result.append(segment)
            current = next.next()
        }
        return result
    }

    /// Writes all of it to one file, which is empty. Takes as long as copying what is not zero.
    public func flatten(to file: Descriptor) throws(SystemError) {
        try SparseCopy(from: base, to: file).run()
        for layer in layers {
            var position: Int64 = 0
            for run in layer.runs {
                let length = Int64(run.count * MemoryLayer.pageSize)
                try SparseCopy(from: layer.file, to: file).copy(
                    position..<position + length, to: Int64(run.start * MemoryLayer.pageSize))
                position += length
            }
        }
    }
}
