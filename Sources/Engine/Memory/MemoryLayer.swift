import LinuxSystem

/// Pages of a frozen machine's memory that differ from what lies below them, one after the other in a file.
public struct MemoryLayer: Sendable {
    /// Pages that follow one another.
    public struct Run: Sendable, Equatable {
        /// The number of the first page in the memory, from 0.
        public var start: Int
        /// How many there are, at least 1.
        public var count: Int

        /// Pages that follow one another.
        public init(start: Int, count: Int) {
            self.start = start
            self.count = count
        }

        /// The page behind the last.
        var end: Int { start + count }
    }

    /// Bytes of a page.
    public static let pageSize = 4096

    /// The pages' content, opened for reading: all runs, in order.
    public var file: Descriptor
    /// Which pages these are, in ascending order, none twice.
    public var runs: [Run]

    /// A layer.
    public init(file: Descriptor, runs: [Run]) {
        self.file = file
        self.runs = runs
    }

    /// How many bytes the file has.
    public var length: Int64 { runs.reduce(0) { $0 + Int64($1.count) } * Int64(Self.pageSize) }
}

extension MemoryLayer {
    /// Most runs of a layer: each becomes a mapping of a process that goes on, of which the kernel allows some ten
    /// thousand.
    static let mostRuns = 12_288

    /// Most layers of a memory that refers to another one for what is the same.
    static let mostShared = 16
    /// Most pieces of such a memory, for the same reason as ``mostRuns``.
    static let mostPieces = 32_768

    /// The runs as they are written down: first page and count of each, 4 bytes each, little-endian.
    public static func index(_ runs: [Run]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(runs.count * 8)
        for run in runs {
            for number in [run.start, run.count] {
                for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
            }
        }
        return bytes
    }

    /// Reads ``index(_:)``; `nil` when it is none of a memory of so many bytes. The bytes may be foreign.
    public static func runs(index bytes: [UInt8], memory: Int64) -> [Run]? {
        guard bytes.count % 8 == 0, bytes.count / 8 <= mostRuns, memory >= 0 else { return nil }
        let pages = Int(clamping: memory / Int64(pageSize))
        var runs: [Run] = []
        runs.reserveCapacity(bytes.count / 8)
        var end = 0
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            let (start, count) = (number(bytes, offset), number(bytes, offset + 4))
            guard start >= end, count > 0, count <= pages, start <= pages - count else { return nil }
            end = start + count
            runs.append(Run(start: start, count: count))
        }
        return runs
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
}

extension [MemoryLayer.Run] {
    /// The pages that are in either.
    func union(_ other: [MemoryLayer.Run]) -> [MemoryLayer.Run] {
        var result: [MemoryLayer.Run] = []
        for run in (self + other).sorted(by: { $0.start < $1.start }) {
            if let last = result.last, run.start <= last.end {
                result[result.count - 1].count = Swift.max(last.end, run.end) - last.start
            } else {
                result.append(run)
            }
        }
        return result
    }

    /// How many pages these are.
    var pages: Int { reduce(0) { $0 + $1.count } }

    /// These pages and, to have few runs, pages between them.
    func joined(most: Int = MemoryLayer.mostRuns) -> [MemoryLayer.Run] {
        var gap = 4
        while true {
            var result: [MemoryLayer.Run] = []
            for run in self {
                if let last = result.last, run.start - last.end <= gap {
                    result[result.count - 1].count = run.end - last.start
                } else {
                    result.append(run)
                }
            }
            if result.count <= most { return result }
            gap *= 2
        }
    }
}
