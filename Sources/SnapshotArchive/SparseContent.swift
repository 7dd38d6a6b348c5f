import Glibc
import LinuxSystem

/// The content of one file of an archive, wherever its parts lie on this host.
public struct SparseContent {
    /// A part of the content.
    public struct Piece {
        /// Which, in bytes of the content.
        let range: Range<Int64>
        /// The file with it, and where it begins there.
        let file: Descriptor
        let offset: Int64

        /// A part of the content; where it begins and ends are multiples of a page, but for the end of the last.
        public init(range: Range<Int64>, file: Descriptor, offset: Int64) {
            self.range = range
            self.file = file
            self.offset = offset
        }
    }

    /// Bytes, holes included.
    public let size: Int64
    private let pieces: [Piece]

    /// Content of parts that follow one another.
    public init(size: Int64, pieces: [Piece]) {
        self.size = size
        self.pieces = pieces
    }

    /// The content of a file.
    public init(_ file: Descriptor) throws(SystemError) {
        let size = Int64(try file.status().st_size)
        self.init(size: size, pieces: [Piece(range: 0..<size, file: file, offset: 0)])
    }

    /// The most that pages can hold which are not zero, as the file system tells without reading: no hole.
    public var most: Int64 {
        var sum: Int64 = 0
        for piece in pieces { Self.forEachPart(of: piece) { sum += $0.upperBound - $0.lowerBound } }
        return min(sum, size)
    }

    /// Reads the content, and passes on what is not zero: in blocks that begin and end with a page that is not, as
    /// ``ArchiveFormat`` wants them. Where the blocks are depends on nothing but the content.
    public func forEachBlock(_ body: (UnsafeRawBufferPointer, Int64) throws -> Void) throws {
        let page = ArchiveFormat.page
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ArchiveFormat.mostBlock, alignment: page)
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: ArchiveFormat.mostBlock, alignment: page)
        defer {
            buffer.deallocate()
            block.deallocate()
        }
        var start: Int64 = 0
        var filled = 0
        func flush() throws {
            if filled > 0 { try body(UnsafeRawBufferPointer(rebasing: block[..<filled]), start) }
            filled = 0
        }
        func add(_ bytes: UnsafeRawBufferPointer, at place: Int64) throws {
            let gap = place - start - Int64(filled)
            if filled > 0,
                gap > Int64(ArchiveFormat.mostZeroPages * page)
                    || place - start + Int64(bytes.count) > Int64(block.count)
            {
                try flush()
            }
            if filled == 0 { start = place }
            let begin = Int(place - start)
            UnsafeMutableRawBufferPointer(rebasing: block[filled..<begin]).initializeMemory(
                as: UInt8.self, repeating: 0)
            UnsafeMutableRawBufferPointer(rebasing: block[begin..<begin + bytes.count]).copyMemory(from: bytes)
            filled = begin + bytes.count
        }
        for piece in pieces {
            var parts: [Range<Int64>] = []
            Self.forEachPart(of: piece) { parts.append($0) }
            for part in parts {
                var position = part.lowerBound
                while position < part.upperBound {
                    let wanted = Int(min(Int64(buffer.count), part.upperBound - position))
                    try Self.read(piece, position, UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
                    for first in stride(from: 0, to: wanted, by: page) {
                        let bytes = UnsafeRawBufferPointer(rebasing: buffer[first..<min(first + page, wanted)])
                        if !ArchiveFormat.isZero(bytes) { try add(bytes, at: position + Int64(first)) }
                    }
                    position += Int64(wanted)
                }
            }
        }
        try flush()
    }

    /// The parts of a piece that are no hole, whole pages of the content.
    private static func forEachPart(of piece: Piece, _ body: (Range<Int64>) -> Void) {
        let page = Int64(ArchiveFormat.page)
        let shift = piece.range.lowerBound - piece.offset
        let end = piece.offset + piece.range.upperBound - piece.range.lowerBound
        var position = piece.offset
        while position < end {
            var data = Int64(lseek(piece.file.rawValue, off_t(position), 3))  // SEEK_DATA
            if data < 0 {
                if errno == ENXIO { return }
                data = position  // a file that knows nothing of holes
            }
            guard data < end else { return }
            let found = Int64(lseek(piece.file.rawValue, off_t(data), 4))  // SEEK_HOLE
            let hole = found < 0 ? end : min(found, end)
            let begin = max(position, data - (data + shift) % page)
            position = min(end, hole + (page - (hole + shift) % page) % page)
            body(begin + shift..<position + shift)
        }
    }

    private static func read(_ piece: Piece, _ position: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws {
        var filled = 0
        while filled < buffer.count {
            let count = try piece.file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]),
                at: piece.offset + position - piece.range.lowerBound + Int64(filled))
            guard count > 0 else { throw SnapshotArchiveError.unfit("a file of the snapshot became shorter") }
            filled += count
        }
    }
}
