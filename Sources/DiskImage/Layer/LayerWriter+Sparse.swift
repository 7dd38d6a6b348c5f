import Tar

/// A sparse file on its way from the archive to the data file.
struct SparseEntry {
    var record: IndexRecord
    var path: [UInt8]
    var map: SparseMap
    /// Bytes of content in the archive that are still to come; with the map, where it is part of the content.
    var stored: Int64

    /// A map that is part of the content (GNU sparse 1.0): decimal numbers, one a line. How many are still to come,
    /// once that is known, and the one being read.
    var numbersLeft: Int64?
    var number: Int64?
    var pieceOffset: Int64?

    /// Where the pieces lie relative to the start of the file in the data file, and that start.
    var layout: SparseLayout?
    var start: Int64 = 0
    var piece = 0
    var pieceLeft: Int64 = 0
}

/// Sparse files in GNU's five ways: old headers, pax 0.0, 0.1 and 1.0.
extension LayerWriter {
    /// Begins a file of type `S`, whose map stands in the header and the blocks after it.
    mutating func beginOldSparseFile(_ header: TarHeader, _ record: IndexRecord) throws(DiskImageError) {
        var map = SparseMap()
        map.fileSize = try number("sparse size") { () throws(TarNumber.Invalid) in try header.sparseSize() }
        let more: Bool
        do { more = try header.addSparseSegments(to: &map) } catch { throw malformed("the map of a sparse file") }
        let entry = SparseEntry(record: record, path: path, map: map, stored: try contentSize(header))
        if more {
            sparse = entry
            state = .block(.sparseExtension)
        } else {
            try beginPieces(entry)
        }
    }

    /// Handles one more block of an old map.
    mutating func handleSparseExtension(_ block: TarHeader) throws(DiskImageError) {
        guard var entry = sparse else { return }
        sparse = nil
        let more: Bool
        do { more = try block.addExtensionSegments(to: &entry.map) } catch {
            throw malformed("the map of a sparse file holds no numbers")
        }
        guard entry.map.segments.count <= limits.sparseSegments else { throw tooManyPieces }
        if more { sparse = entry } else { try beginPieces(entry) }
    }

    /// Begins a sparse file that a pax header announced; says whether there was one.
    mutating func beginPaxSparseFile(_ header: TarHeader, _ record: IndexRecord) throws(DiskImageError) -> Bool {
        let pax = localAttributes
        guard pax.sparseMajor != nil || pax.sparseMap != nil else { return false }
        var entry = SparseEntry(
            record: record, path: path, map: pax.sparseMap ?? SparseMap(), stored: try contentSize(header))
        guard let size = pax.sparseSize else { throw .entry(path, "a sparse file without a size") }
        entry.map.fileSize = size
        switch (pax.sparseMajor ?? 0, pax.sparseMinor ?? 0) {
        case (0, _): try beginPieces(entry)
        case (1, 0):
            entry.map = SparseMap()
            entry.map.fileSize = size
            sparse = entry
            state = .block(.sparseMap)
        default: throw .entry(path, "a sparse file in an unknown version of the format")
        }
        return true
    }

    /// Handles one block of a map that is part of the content.
    mutating func handleSparseMap(_ block: UnsafeRawBufferPointer) throws(DiskImageError) {
        guard var entry = sparse else { return }
        sparse = nil
        entry.stored -= Int64(block.count)
        guard entry.stored >= 0 else { throw malformed("the map of a sparse file is longer than the file") }
        for byte in block {
            if byte != UInt8(ascii: "\n") {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), (entry.number ?? 0) < Int64.max / 10 - 1
                else {
                    throw malformed("the map of a sparse file holds no numbers")
                }
                entry.number = (entry.number ?? 0) * 10 + Int64(byte - UInt8(ascii: "0"))
                continue
            }
            guard let number = entry.number else { throw malformed("the map of a sparse file has an empty line") }
            entry.number = nil
            if let left = entry.numbersLeft {
                entry.numbersLeft = left - 1
                if let offset = entry.pieceOffset {
                    entry.map.append(offset: offset, length: number)
                    entry.pieceOffset = nil
                } else {
                    entry.pieceOffset = number
                }
            } else {
                guard number <= limits.sparseSegments else { throw tooManyPieces }
                entry.numbersLeft = number * 2
            }
            if entry.numbersLeft == 0 { return try beginPieces(entry) }
        }
        sparse = entry
    }

    private var tooManyPieces: DiskImageError {
        .layerLimit("a sparse file has more than \(limits.sparseSegments) pieces", name: "sparseSegments")
    }

    /// Adds a sparse file whose map is complete and makes ready for its pieces.
    private mutating func beginPieces(_ complete: SparseEntry) throws(DiskImageError) {
        var entry = complete
        guard entry.map.isValid(stored: entry.stored) else {
            throw .entry(entry.path, "the map of a sparse file contradicts its size")
        }
        let layout = try SparseLayout(entry.map)
        entry.start = data.position
        entry.record.kind = layout.isDense ? .file : .sparseFile
        entry.record.size = UInt64(entry.map.fileSize)
        entry.record.block = try allocate(layout.dataLength)
        entry.record.chunkBits = UInt8(layout.chunkBits)
        try index.add(entry.record, path: entry.path, sparse: layout.isDense ? nil : layout)
        guard let first = layout.pieces.first else {
            state = .block(.header)
            return
        }
        entry.layout = layout
        entry.pieceLeft = first.length
        try data.advance(to: entry.start + first.offset)
        sparse = entry
        state = .sparseContent
    }

    /// Uses some bytes of a sparse file's content and says how many.
    mutating func consumeSparseContent(_ bytes: UnsafeRawBufferPointer) throws(DiskImageError) -> Int {
        // Moved out and back so that nothing is copied.
        guard var entry = sparse, let layout = entry.layout else { return bytes.count }
        sparse = nil
        let count = Int(min(Int64(bytes.count), entry.pieceLeft))
        try keep(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        entry.pieceLeft -= Int64(count)
        if entry.pieceLeft == 0 {
            entry.piece += 1
            if entry.piece == layout.pieces.count {
                try data.advance(to: entry.start + layout.dataLength)
                skipPadding(entry.stored)
                return count
            }
            entry.pieceLeft = layout.pieces[entry.piece].length
            try data.advance(to: entry.start + layout.pieces[entry.piece].offset)
        }
        sparse = entry
        return count
    }
}
