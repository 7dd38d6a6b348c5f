import Glibc
import LinuxSystem

/// The writable disk of a snapshot: a file, and layers over it with the blocks that changed since, where it refers to an
/// earlier snapshot's for the rest. Each layer is a file as long as the disk, with those blocks in their places, and the list
/// of them.
///
/// Files are shared with other snapshots by hard links, and none is ever changed.
public struct SnapshotDisk: Sendable {
    /// A part of the disk, and the file that has it, in the same place.
    public struct Piece: Sendable {
        /// The part, in bytes.
        public let range: Range<Int64>
        /// The file with its content.
        public let file: Descriptor
    }

    private struct Layer {
        let file: Descriptor
        /// Ascending, in bytes, whole blocks.
        let ranges: [Range<Int64>]
    }

    /// Bytes, holes included.
    public let size: Int64
    private let base: Descriptor
    private let layers: [Layer]

    private static let block: Int64 = 4096
    private static let window: Int64 = 1 << 20
    /// Most layers: a disk with as many stands for itself the next time.
    private static let mostLayers = 8

    private static func layerName(_ number: Int) -> String { "upper.\(number)" }
    private static func mapName(_ number: Int) -> String { "upper.\(number).json" }

    /// Opens the disk of the snapshot whose files are in a directory.
    /// - Throws: ``StateError``.
    public init(in directory: String) throws(StateError) {
        base = try system { () throws(SystemError) in
            try Descriptor(opening: directory + "/" + SnapshotDirectory.diskName)
        }
        size = Int64(try system(base.status).st_size)
        var layers: [Layer] = []
        while layers.count < Self.mostLayers {
            let number = layers.count + 1
            let map = directory + "/" + Self.mapName(number)
            guard FileTree.exists(map) else { break }
            let ranges = try Self.ranges(RecordFile.read([Int64].self, from: map), size, map)
            let file = try system { () throws(SystemError) in
                try Descriptor(opening: directory + "/" + Self.layerName(number))
            }
            layers.append(Layer(file: file, ranges: ranges))
        }
        self.layers = layers
    }

    /// The first block and the number of blocks of each range.
    private static func ranges(_ numbers: [Int64], _ size: Int64, _ path: String) throws(StateError) -> [Range<Int64>] {
        var ranges: [Range<Int64>] = []
        var end: Int64 = 0
        for index in stride(from: 0, to: numbers.count - 1, by: 2) {
            let (start, count) = (numbers[index], numbers[index + 1])
            guard start >= end, count > 0, count <= size / block, start <= size / block - count else {
                throw .inaccessible(path: path, reason: "it is no list of the blocks of a disk")
            }
            end = start + count
            ranges.append(start * block..<end * block)
        }
        return ranges
    }

    /// The disk from its beginning to its end.
    public var pieces: [Piece] {
        var pieces = [Piece(range: 0..<size, file: base)]
        for layer in layers {
            var covered: [Piece] = []
            var ranges = layer.ranges[...]
            for piece in pieces {
                var start = piece.range.lowerBound
                while let range = ranges.first, range.lowerBound < piece.range.upperBound {
                    if start < range.lowerBound {
                        covered.append(Piece(range: start..<range.lowerBound, file: piece.file))
                    }
                    let end = min(range.upperBound, piece.range.upperBound)
                    covered.append(Piece(range: max(start, range.lowerBound)..<end, file: layer.file))
                    start = end
                    ranges = ranges.dropFirst()
                    if range.upperBound > end { ranges = [end..<range.upperBound] + ranges }
                }
                if start < piece.range.upperBound {
                    covered.append(Piece(range: start..<piece.range.upperBound, file: piece.file))
                }
            }
            pieces = covered
        }
        return pieces
    }

    /// Copies it to a new file.
    /// - Throws: ``StateError``.
    public func copy(to path: String) throws(StateError) {
        try system { () throws(SystemError) in
            let file = try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
            try SparseCopy(from: base, to: file).run()
            for layer in layers {
                let copy = SparseCopy(from: layer.file, to: file)
                for range in layer.ranges { try copy.copy(range, to: range.lowerBound) }
            }
        }
    }

    // MARK: Sharing

    /// Lets a snapshot that is being made refer to another one's disk for what the two have in common, where that saves
    /// something worth it.
    /// - Parameters:
    ///   - directory: the files of the one that is being made, its disk whole.
    ///   - other: the files of the other one, which stay as they are.
    /// - Throws: ``StateError``; then the disk is as it was.
    static func share(_ directory: String, with other: String) throws(StateError) {
        let (mine, theirs) = (try SnapshotDisk(in: directory), try SnapshotDisk(in: other))
        guard mine.layers.isEmpty, mine.size == theirs.size, theirs.layers.count < mostLayers else { return }
        let number = theirs.layers.count + 1
        let made = [layerName(number), mapName(number), "upper.base"]
        do throws(SystemError) {
            let ranges = try mine.differences(from: theirs)
            let length = ranges.reduce(0) { $0 + $1.upperBound - $1.lowerBound }
            guard length < Int64(try mine.base.status().st_blocks) * 512 / 4 * 3 else { return }
            let layer = try Descriptor(opening: directory + "/" + layerName(number), O_RDWR | O_CREAT | O_EXCL)
            guard ftruncate(layer.rawValue, off_t(mine.size)) == 0 else { throw SystemError("make a layer of a disk") }
            let copy = SparseCopy(from: mine.base, to: layer)
            for range in ranges { try copy.copy(range, to: range.lowerBound) }
            try layer.synchronize()
            let numbers = ranges.flatMap { [$0.lowerBound / block, ($0.upperBound - $0.lowerBound) / block] }
            for earlier in 1..<number {
                for name in [layerName(earlier), mapName(earlier)] { try link(other, name, directory, name) }
            }
            try link(other, SnapshotDirectory.diskName, directory, "upper.base")
            do { try RecordFile.write(numbers, to: directory + "/" + mapName(number), durable: true) } catch {
                throw SystemError("write", directory + "/" + mapName(number), number: EIO)
            }
            // From here on it is the layers'.
            try FileTree.rename(directory + "/upper.base", to: directory + "/" + SnapshotDirectory.diskName)
        } catch {
            let linked = (1..<number).flatMap { [layerName($0), mapName($0)] }
            for name in made + linked { try? FileTree.removeFile(directory + "/" + name) }
            throw .system(error)
        }
    }

    private static func link(
        _ from: String, _ name: String, _ to: String, _ newName: String
    ) throws(SystemError) {
        guard Glibc.link("\(from)/\(name)", "\(to)/\(newName)") == 0 else {
            throw SystemError("link", "\(from)/\(name)")
        }
    }

    /// The blocks whose content is not that of another disk of the same size.
    private func differences(from other: SnapshotDisk) throws(SystemError) -> [Range<Int64>] {
        // Where neither has data both are zero.
        var extents: [Range<Int64>] = []
        for file in [base, other.base] + other.layers.map(\.file) { extents += try SparseCopy.extents(of: file) }
        extents.sort { $0.lowerBound < $1.lowerBound }
        let pieces = other.pieces
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Int(Self.window), alignment: 4096)
        defer { buffer.deallocate() }
        var differences: [Range<Int64>] = []
        var (position, index): (Int64, Int) = (0, 0)
        for extent in extents {
            position = max(position, extent.lowerBound / Self.block * Self.block)
            while position < extent.upperBound {
                while index < pieces.count, pieces[index].range.upperBound <= position { index += 1 }
                guard index < pieces.count else { return differences }
                let end = min(position + Self.window, pieces[index].range.upperBound)
                let length = Int(end - position)
                let mine = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
                let theirs = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[Int(Self.window)..<Int(Self.window) + length])
                try base.fill(mine, at: position)
                try pieces[index].file.fill(theirs, at: position)
                Self.compare(mine, theirs, at: position, &differences)
                position = end
            }
        }
        return differences
    }

    private static func compare(
        _ mine: UnsafeMutableRawBufferPointer, _ theirs: UnsafeMutableRawBufferPointer, at position: Int64,
        _ differences: inout [Range<Int64>]
    ) {
        guard let mineStart = mine.baseAddress, let theirStart = theirs.baseAddress else { return }
        for offset in stride(from: 0, to: mine.count, by: Int(block)) {
            let length = min(Int(block), mine.count - offset)
            if memcmp(mineStart + offset, theirStart + offset, length) == 0 { continue }
            let start = position + Int64(offset)
            if let last = differences.last, last.upperBound == start {
                differences[differences.count - 1] = last.lowerBound..<start + Int64(length)
            } else {
                differences.append(start..<start + Int64(length))
            }
        }
    }
}

extension SnapshotDirectory {
    /// Lets the disk at ``work`` refer to that of the sandbox's last snapshot for what did not change since. Blocks.
    /// - Parameter sandbox: the sandbox of which this one is made.
    public func shareDisk(of sandbox: SandboxID) {
        let others = (try? Self.all(in: home)) ?? []
        guard let last = others.last(where: { $0.1.sandbox.id == sandbox.description }) else { return }
        // It is as good without: the other may be removed at this moment, or the disk be full.
        try? SnapshotDisk.share(work, with: last.0.path)
    }
}
