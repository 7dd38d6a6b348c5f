import Tar

/// How a sparse file lies in the data file: in chunks of one size, of which only those with data are kept.
struct SparseLayout {
    /// Some chunks without data, then some with.
    struct Run {
        var holes: UInt32
        var data: UInt32
    }

    /// Chunks a map may always have; beyond that, one for each block of data.
    private static let freeChunks: Int64 = 65_536

    /// 1 EiB, which keeps all sums below in 64 bits.
    private static let longestFile: Int64 = 1 << 60

    /// The binary logarithm of a chunk's length in blocks.
    let chunkBits: Int
    private(set) var runs: [Run] = []
    /// The pieces of data: length, and place relative to the file's start in the data file.
    private(set) var pieces: [SparseMap.Segment] = []
    /// The length of all this in the data file, in whole blocks.
    private(set) var dataLength: Int64 = 0
    /// Chunks in the file, the ones without data included.
    let chunkCount: Int64

    /// Lays out a valid map.
    ///
    /// The chunk is the smallest, beginning with one block, whose map stays in proportion to the data.
    init(_ map: SparseMap) throws(DiskImageError) {
        var blocks: Int64 = 0
        for segment in map.segments where segment.length > 0 { blocks += segment.length >> Block.bits + 2 }
        var bits = 0
        while map.fileSize >> (Block.bits + bits) > Self.freeChunks + blocks, bits < 31 { bits += 1 }
        chunkBits = bits
        let shift = Block.bits + bits
        chunkCount = map.fileSize == 0 ? 0 : (map.fileSize - 1) >> shift + 1
        guard map.fileSize <= Self.longestFile, chunkCount < Int64(UInt32.max) else {
            throw .limit("a sparse file of \(map.fileSize) bytes is too long")
        }

        var mapped: Int64 = 0  // chunks with data so far
        var next: Int64 = 0  // the first chunk not looked at yet
        for segment in map.segments where segment.length > 0 {
            let first = segment.offset >> shift
            let last = (segment.offset + segment.length - 1) >> shift
            let chunk = first < next ? mapped - 1 : mapped
            pieces.append(
                SparseMap.Segment(
                    offset: chunk << shift + segment.offset & (1 << shift - 1), length: segment.length))
            add(holes: max(0, first - next), data: last + 1 - max(first, next))
            mapped += last + 1 - max(first, next)
            next = last + 1
            guard mapped <= Block.addressable >> shift else {
                throw .limit("a sparse file needs more than \(Block.addressable) bytes")
            }
        }
        // Of the file's last chunk only the blocks up to the end of the file are kept.
        let excess = next == chunkCount ? next << shift - map.fileSize : 0
        dataLength = Block.roundUp(mapped << shift - (mapped > 0 ? excess : 0))
    }

    /// Whether nothing is saved over a file without holes.
    var isDense: Bool { runs.count == 1 && runs[0].holes == 0 && Int64(runs[0].data) == chunkCount }

    private mutating func add(holes: Int64, data: Int64) {
        guard data > 0 else { return }
        // All counts are below chunkCount, which fits 32 bits.
        if holes == 0, let last = runs.indices.last {
            runs[last].data += UInt32(data)
        } else {
            runs.append(Run(holes: UInt32(holes), data: UInt32(data)))
        }
    }
}
