import Glibc
import LinuxSystem
import Testing

@testable import SandboxState

@Suite("The disk of a snapshot") final class SnapshotDiskTests {
    private let folder =
        (getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/disks-\(UInt64.random(in: .min ... .max))"

    init() throws { try FileTree.makeDirectory(folder) }

    deinit { try? FileTree.removeTree(folder) }

    private static let block = 4096
    private static let blocks = 700

    /// Makes the files of a snapshot with a whole disk.
    private func snapshot(_ number: Int, _ content: [UInt8], in folder: String) throws -> String {
        let path = "\(folder)/\(number)"
        try FileTree.makeDirectory(path)
        let disk = try Descriptor(opening: path + "/upper.img", O_RDWR | O_CREAT)
        #expect(ftruncate(disk.rawValue, Self.block * content.count) == 0)
        for (block, value) in content.enumerated() where value != 0 {
            try [UInt8](repeating: value, count: Self.block).withUnsafeBytes {
                try disk.write($0, at: Int64(block * Self.block))
            }
        }
        return path
    }

    private func content(_ path: String) throws -> [UInt8] {
        let copy = path + "/copy"
        try SnapshotDisk(in: path).copy(to: copy)
        let bytes = try FileTree.read(copy)
        let pieces = try SnapshotDisk(in: path).pieces
        for (one, next) in zip(pieces, pieces.dropFirst()) { #expect(one.range.upperBound == next.range.lowerBound) }
        for piece in pieces {
            var byte: UInt8 = 0
            for offset in stride(from: piece.range.lowerBound, to: piece.range.upperBound, by: Self.block) {
                _ = try withUnsafeMutableBytes(of: &byte) { try piece.file.read(into: $0, at: offset) }
                #expect(byte == bytes[Int(offset)])
            }
        }
        try FileTree.removeFile(copy)
        #expect(bytes.count == Self.block * Self.blocks)
        return stride(from: 0, to: bytes.count, by: Self.block).map { bytes[$0] }
    }

    @Test(
        "refers to earlier ones for what did not change, however many there were and whichever are gone",
        arguments: 0..<3)
    func chain(_ seed: Int) throws {
        var generator = SystemRandomNumberGenerator()
        var disk = (0..<Self.blocks).map { _ in UInt8.random(in: 0...3, using: &generator) }
        var all: [(path: String, content: [UInt8])] = []
        for number in 0..<12 {
            for _ in 0..<20 {
                disk[Int.random(in: 0..<Self.blocks, using: &generator)] = UInt8.random(in: 0...3, using: &generator)
            }
            let path = try snapshot(number, disk, in: folder)
            if let last = all.last { try SnapshotDisk.share(path, with: last.path) }
            all.append((path, disk))
        }
        // One has so many layers that the next stands for itself.
        var sizes: [UInt64: Int] = [:]
        for (path, _) in all {
            for name in try FileTree.names(in: path) {
                let status = try Descriptor(opening: path + "/" + name).status()
                sizes[UInt64(status.st_ino)] = Int(status.st_blocks) * 512
            }
        }
        #expect(sizes.count { $0.value > 1_000_000 } == 2)
        #expect(sizes.values.reduce(0, +) < 7_000_000)
        for (path, expected) in all { #expect(try content(path) == expected) }
        while all.count > 3 {
            let gone = all.remove(at: Int.random(in: 0..<all.count, using: &generator))
            try FileTree.removeTree(gone.path)
        }
        for (path, expected) in all { #expect(try content(path) == expected) }
    }

    @Test("stands for itself when little is the same, and when the lists of blocks are none it is none")
    func whole() throws {
        let one = try snapshot(1, [UInt8](repeating: 1, count: Self.blocks), in: folder)
        let two = try snapshot(2, [UInt8](repeating: 2, count: Self.blocks), in: folder)
        try SnapshotDisk.share(two, with: one)
        #expect(try FileTree.names(in: two) == ["upper.img"])
        var other = [UInt8](repeating: 1, count: Self.blocks)
        other[7] = 0
        let three = try snapshot(3, other, in: folder)
        try SnapshotDisk.share(three, with: one)
        #expect(try content(three) == other)
        for wrong: [Int64] in [[5, 0], [-1, 1], [0, 701], [700, 1], [3, 2, 4, 1], [.max, 1], [1, .max]] {
            try RecordFile.write(wrong, to: three + "/upper.1.json")
            #expect(throws: StateError.self, "\(wrong)") { try SnapshotDisk(in: three) }
        }
    }
}
