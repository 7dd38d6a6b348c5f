import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

/// A layer's record and its data file give back the archive that they were made of, byte for byte.
@Suite("Tar records")
struct TarRecordTests {
    private let space: Workspace

    init() throws { space = try Workspace() }

    /// What is made of an archive: the record and the data file.
    private struct Layer {
        let record: Descriptor
        let data: Descriptor

        init(_ archive: [UInt8], step: Int = .max) throws {
            record = try .memory("record")
            data = try .memory("data")
            var writer = try LayerWriter(data: data, record: record)
            try archive.withUnsafeBytes { bytes in
                var start = 0
                while start < bytes.count {
                    let end = start + min(step, bytes.count - start)
                    try writer.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                    start = end
                }
            }
            _ = try writer.finish()
        }

        func rebuilt(step: Int = 1 << 20) throws -> [UInt8] { try TarRecordTests.rebuild(record, data, step: step) }

        var recordBytes: [UInt8] { get throws { try TarRecordTests.contents(of: record) } }
    }

    private static func contents(of file: Descriptor) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(try file.status().st_size))
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        #expect(count == bytes.count)
        return bytes
    }

    private static func rebuild(_ record: Descriptor, _ data: Descriptor, step: Int = 1 << 20) throws -> [UInt8] {
        var reader = try TarRecord.Reader(record: record, data: data)
        var buffer = [UInt8](repeating: 0, count: step)
        var archive: [UInt8] = []
        while true {
            let count = try buffer.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { break }
            archive += buffer[..<count]
            try #require(archive.count <= reader.length)
        }
        #expect(archive.count == reader.length)
        return archive
    }

    /// Checks that an archive comes back; a comparison that fails must not print megabytes.
    private func check(_ archive: [UInt8], step: Int = .max, _ name: String = "") throws {
        let isSame = try Layer(archive, step: step).rebuilt() == archive
        #expect(isSame, "\(name), in pieces of \(step)")
    }

    /// One of everything that can stand in an archive.
    private static let archive = TarBytes.archive { tar in
        tar.addPax([("mtime", "1.5"), ("comment", "c")], type: "g")
        tar.addPax([("path", "dir/pax"), ("SCHILY.xattr.user.a", "b")])
        tar.add("x", content: "content")
        tar.add("././@LongLink", type: "L", content: "long\u{0}")
        tar.add("block", content: String(repeating: "b", count: 512))
        tar.add("page", content: String(repeating: "p", count: 4096))
        tar.add("empty")
        tar.add("dir/.wh.gone", content: "what stands in a whiteout")
        tar.add(".wh..wh.aufs", content: "what stands in a file of aufs")
        tar.add("listing", type: "D", content: "names")
        tar.add("hard", type: "1", link: "dir/pax")
        tar.addSparseFiles()
    }

    @Test("an archive of everything comes back, however it was cut and is read")
    func pieces() throws {
        for step in [1, 2, 3, 7, 511, 512, 513, 1000, 4096, .max] { try check(Self.archive, step: step) }
        let layer = try Layer(Self.archive)
        let record = try layer.recordBytes
        #expect(try Layer(Self.archive, step: 5).recordBytes == record, "the pieces are seen in the record")
        for step in [1, 5, 512, 4097] {
            let isSame = try layer.rebuilt(step: step) == Self.archive
            #expect(isSame, "read by \(step)")
        }
    }

    @Test("what other programs put into the paddings and behind the end comes back")
    func oddities() throws {
        var random = Xorshift(state: 7)
        let garbage = (0..<300_001).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        try check(Self.archive + garbage, "garbage behind the end")
        try check(Array(Self.archive.dropLast(512)), "one block of zeros at the end")
        try check(Array(Self.archive.dropLast(1024)), "no end")
        try check(Array(Self.archive.dropLast(1024 + 400)), "the last padding cut short")
        try check([], "nothing")
        try check([UInt8](repeating: 0, count: 1024), "no entry")
        var padded = Self.archive
        let text = try #require(padded.firstRange(of: Array("content".utf8)))
        for index in text.upperBound..<(text.upperBound + 300) { padded[index] = 0xee }
        try check(padded, "a padding that is not zeros")
    }

    /// The seeds of the tar reader's fuzzer, where the sources can be read.
    private static let corpus = #filePath.replacing(
        "Tests/DiskImageTests/TarRecordTests.swift", with: "Fuzz/Corpus/FuzzTar")

    @Test("archives of the seed corpus come back", .enabled(if: access(corpus, R_OK | X_OK) == 0, "no sources here"))
    func seeds() throws {
        let names = try FileTree.names(in: Self.corpus)
        #expect(names.count > 10)
        for name in names {
            let archive = try FileTree.read("\(Self.corpus)/\(name)", limit: 64 << 20)
            for step in [509, .max] { try check(archive, step: step, name) }
        }
    }

    @Test(
        "archives of GNU tar come back, with its blocks of many sizes",
        arguments: ["v7", "oldgnu", "gnu", "ustar", "posix"], [1, 20, 2048])
    func gnuTar(format: String, blocking: Int) throws {
        try space.shell(
            """
            mkdir -p t/dir/empty; echo hello > t/dir/file; ln t/dir/file t/hard; ln -s dir/file t/link
            head -c 100000 /dev/urandom > t/large
            tar -C t --format=\(format) --blocking-factor=\(blocking) -cf t.tar .
            """)
        let archive = try FileTree.read(space.path + "/t.tar", limit: 64 << 20)
        #expect(archive.count % (blocking * 512) == 0)
        try check(archive, step: 8191)
    }

    @Test(
        "archives with sparse files come back, and records stay small",
        arguments: ["--format=gnu", "0.0", "0.1", "1.0"])
    func sparse(version: String) throws {
        let option = version.hasPrefix("--") ? version : "--format=posix --sparse-version=\(version)"
        try space.shell(
            """
            mkdir t
            python3 - <<'PY'
            import os
            def make(name, size, pieces):
                with open("t/" + name, "wb") as f:
                    for offset, length in pieces:
                        f.seek(offset); f.write(os.urandom(length))
                    f.truncate(size)
            make("many", 100 << 20, [(n * 1000000 // 4096 * 4096, 4096 + n) for n in range(100)])
            make("end", 5 << 20, [((5 << 20) - 100, 100)])
            make("hole", 7 << 20, [])
            make("odd", (3 << 20) + 777, [(0, 5000), (1 << 20, 1)])
            PY
            tar -S \(option) -C t -cf t.tar .
            """)
        let archive = try FileTree.read(space.path + "/t.tar", limit: 64 << 20)
        for step in [8191, .max] { try check(archive, step: step) }
        // 100 pieces, each at a random-looking place.
        #expect(try Layer(archive).recordBytes.count < 5000)
    }

    private static let images = getenv("SANDPIPER_TEST_IMAGES").map { String(cString: $0) }

    @Test(
        "layers of images that a distribution's tools made come back",
        .enabled(if: images != nil, "SANDPIPER_TEST_IMAGES is not set"),
        arguments: ["layers", "busybox", "dialects"])
    func layers(image: String) throws {
        try space.shell("tar -xf \(try #require(Self.images))/\(image).tar")
        let layers = try space.shell("find . -name '*.tar' -type f").split(separator: "\n")
        #expect(!layers.isEmpty)
        for layer in layers {
            let archive = try FileTree.read("\(space.path)/\(layer)", limit: 256 << 20)
            try check(archive, step: 1 << 20, String(layer))
        }
    }

    @Test("a record is a small part of its archive")
    func size() throws {
        let archive = TarBytes.archive { tar in
            for number in 0..<1000 {
                tar.add("usr/share/doc/\(number)/copyright", content: String(repeating: "\(number)", count: 1000))
            }
        }
        let size = try Layer(archive).recordBytes.count
        #expect(size < archive.count / 50, "\(size) of \(archive.count)")
    }

    @Test("nothing is given back of a record whose archive was not read to its end")
    func unfinished() throws {
        let record = try Descriptor.memory("record")
        let data = try Descriptor.memory("data")
        var writer = try LayerWriter(data: data, record: record)
        try Self.archive.withUnsafeBytes { try writer.consume($0) }
        #expect(throws: DiskImageError.damagedRecord("it does not begin as one")) {
            try Self.rebuild(record, data)
        }
    }

    @Test("a data file that is too short is an error")
    func shortData() throws {
        let layer = try Layer(Self.archive)
        #expect(ftruncate(layer.data.rawValue, 3) == 0)
        #expect(throws: DiskImageError.damagedRecord("the layer's data file ends too early")) { try layer.rebuilt() }
    }

    @Test("a record that is cut short or changed anywhere is an error, or gives the archive")
    func damaged() throws {
        let layer = try Layer(Self.archive)
        let whole = try layer.recordBytes
        func check(_ bytes: [UInt8]) throws {
            let file = try Descriptor.memory("damaged")
            try file.write(bytes)
            do {
                // The bits of the frame's header that say nothing may change.
                let isSame = try Self.rebuild(file, layer.data, step: 700) == Self.archive
                #expect(isSame, "a damaged record gives something else")
            } catch {
                guard case DiskImageError.damagedRecord = error else { throw error }
            }
        }
        for length in 0..<whole.count { try check(Array(whole[..<length])) }
        try check(whole + [0])
        try check(whole + whole)
        for place in whole.indices {
            for change: UInt8 in [1, 0x80, 0xff] {
                var bytes = whole
                bytes[place] ^= change
                try check(bytes)
            }
        }
    }
}
