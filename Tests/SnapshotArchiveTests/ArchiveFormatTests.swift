import Glibc
import LinuxSystem
import Testing

@testable import SnapshotArchive

/// The archive as bytes: what is written is read, and what was changed is refused.
@Suite struct ArchiveFormatTests {
    private static let page = ArchiveFormat.page

    /// A file in memory with something at these pages, as long as `size`.
    private static func file(_ pages: [Int], size: Int64) throws -> Descriptor {
        let file = try Descriptor.memory("content")
        guard ftruncate(file.rawValue, off_t(size)) == 0 else { throw SystemError("truncate") }
        for index in pages {
            let count = Int(min(Int64(page), size - Int64(index * page)))
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index &+ 1) }
            try bytes.withUnsafeBytes { try file.write($0, at: Int64(index * page)) }
        }
        return file
    }

    private static func archive(_ manifest: [UInt8], _ contents: [SparseContent]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let writer = try ArchiveWriter { bytes += $0 }
        try writer.begin(manifest)
        for content in contents { try writer.write(content) }
        try writer.finish()
        return bytes
    }

    /// What is read of an archive: the manifest, and the files' content.
    private static func read(_ bytes: [UInt8], _ files: [ArchiveFile]) throws -> (manifest: [UInt8], files: [[UInt8]]) {
        var position = 0
        let reader = try ArchiveReader { buffer in
            // Never more than a little at a time.
            let count = min(buffer.count, bytes.count - position, 1000)
            buffer.copyBytes(from: bytes[position..<position + count])
            position += count
            return count
        }
        let manifest = try reader.manifest()
        var contents: [[UInt8]] = []
        for file in files {
            var content = [UInt8](repeating: 0, count: Int(file.size))
            try reader.read(file) { content.replaceSubrange(Int($1)..<Int($1) + $0.count, with: $0) }
            contents.append(content)
        }
        try reader.finish()
        return (manifest, contents)
    }

    @Test(
        "sparse content goes through an archive unchanged",
        arguments: [
            ([], 0), ([], 10_000_000), ([0], 5), ([0, 1, 2], 3 * 4096), ([3, 17, 40, 41, 999], 4_095_123),
            (Array(0..<600), 700 * 4096), ([0, 16, 32], 100 * 4096), ([0, 17], 18 * 4096 - 100),
        ] as [([Int], Int64)])
    func roundTrip(pages: [Int], size: Int64) throws {
        let file = try Self.file(pages, size: size)
        let content = try SparseContent(file)
        #expect(content.most >= Int64(max(0, pages.count - 1) * Self.page) && content.most <= size)
        let bytes = try Self.archive([1, 2, 3], [content, content])
        let announced = ArchiveFile(name: "x", size: size, most: content.most)
        let read = try Self.read(bytes, [announced, announced])
        #expect(read.manifest == [1, 2, 3])
        let original = try file.reopened().readAll(limit: 1 << 24)
        #expect(read.files == [original, original])
        #expect(try Self.archive([1, 2, 3], [content, content]) == bytes, "always the same bytes")
    }

    @Test("what lies in pieces of several files is one content, and holes and zeros are the same")
    func pieces() throws {
        let page = Int64(Self.page)
        let (first, second) = (try Self.file([0, 1, 2, 3], size: 4 * page), try Self.file([0], size: 2 * page))
        let layered = SparseContent(
            size: 4 * page,
            pieces: [
                .init(range: 0..<page, file: first, offset: 0),
                .init(range: page..<3 * page, file: second, offset: 0),
                .init(range: 3 * page..<4 * page, file: first, offset: 3 * page),
            ])
        let flat = try Descriptor.memory("flat")
        var bytes = try first.reopened().readAll(limit: 1 << 20)
        bytes.replaceSubrange(4096..<3 * 4096, with: try second.reopened().readAll(limit: 1 << 20))
        try flat.write(bytes)
        #expect(try Self.archive([], [layered]) == Self.archive([], [SparseContent(flat)]))
    }

    @Test("an archive with any byte changed, cut anywhere, or with something behind its end is refused")
    func damage() throws {
        let content = try SparseContent(Self.file([0, 2, 30], size: 32 * 4096 - 7))
        let file = ArchiveFile(name: "x", size: content.size, most: content.most)
        let bytes = try Self.archive(Array("manifest".utf8), [content])
        for index in bytes.indices {
            for change: UInt8 in [1, 0x80] {
                var changed = bytes
                changed[index] ^= change
                #expect(throws: SnapshotArchiveError.self, "byte \(index)") { try Self.read(changed, [file]) }
            }
            #expect(throws: SnapshotArchiveError.self, "cut at \(index)") {
                try Self.read(Array(bytes[..<index]), [file])
            }
        }
        #expect(throws: SnapshotArchiveError.self) { try Self.read(bytes + [0], [file]) }
        // More content than was announced, or beyond the announced end.
        for (size, most) in [(content.size, 4096), (Int64(8 * 4096), content.most)] as [(Int64, Int64)] {
            #expect(throws: SnapshotArchiveError.self) {
                try Self.read(bytes, [ArchiveFile(name: "x", size: size, most: most)])
            }
        }
    }
}
