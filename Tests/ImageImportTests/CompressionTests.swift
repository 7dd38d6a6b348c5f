import Foundation
import ImageImport
import OCI
import Testing

@Suite("Compressed layers")
struct CompressionTests {
    let home: Home
    let tar: [UInt8]
    var diffID: String { Layout.digest(tar) }

    init() throws {
        home = try Home()
        // More than all buffers together, some of it incompressible.
        var generator = SystemRandomNumberGenerator()
        let noise = (0..<300_000).map { _ in generator.next() }.withUnsafeBytes { Array($0) }
        tar = try Layout.tar("file", noise + [UInt8](repeating: 7, count: 6_000_000))
    }

    private func load(_ stored: [UInt8], limits: ImportLimits = ImportLimits()) throws {
        let layout = try Layout.single(stored, diffID: diffID)
        try home.load(layout.path, limits: limits)
    }

    private func message(_ stored: [UInt8], limits: ImportLimits = ImportLimits()) -> String {
        let error = #expect(throws: (any Error).self) { try load(stored, limits: limits) }
        #expect((try? home.files().isEmpty) == true)
        return error.map { "\($0)" } ?? ""
    }

    @Test(
        "every level of gzip and zstd is understood",
        arguments: [
            ["gzip", "-1c"], ["gzip", "-6c"], ["gzip", "-9c"], ["zstd", "-1qc"], ["zstd", "-19qc"],
            ["zstd", "-qc", "--long=27"],
            ["zstd", "-qc", "--no-check"],
        ])
    func understands(command: [String]) throws {
        let scratch = try Scratch()
        let outcome = try Tool.run(command, input: try scratch.write(tar, to: "input"))
        try #require(outcome.status == 0, "\(outcome.error)")
        try load([UInt8](outcome.output))
        let extracted = try home.extract(try home.store.images()[0].name)
        #expect(try Data(contentsOf: URL(fileURLWithPath: extracted.path + "/root/file")).count == 8_400_000)
    }

    @Test("several members or frames in a row are one layer, empty ones among them", arguments: ["gzip", "zstd"])
    func joinsMembers(program: String) throws {
        let pieces = [tar[..<1], tar[1..<1], tar[1..<100_000], tar[100_000...]]
        try load(pieces.flatMap { try Layout.filter(Array($0), program, "-c") })
    }

    @Test("a header with a name, a comment and a checksum is understood")
    func understandsHeaders() throws {
        let scratch = try Scratch()
        let file = try scratch.write(tar, to: String(repeating: "n", count: 200))
        let named = try Tool.run(["gzip", "-Nc", file])
        try load([UInt8](named.output))
    }

    @Test("zstd's frames to be skipped are skipped, also before the first")
    func skipsFrames() throws {
        let skippable: [UInt8] = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
        let content = try Layout.filter(tar, "zstd", "-qc")
        try load(skippable + content + skippable)
    }

    @Test("a cut anywhere is an error", arguments: ["gzip", "zstd"])
    func detectsCuts(program: String) throws {
        let stored = try Layout.filter(tar, program, "-c")
        for length in [1, 3, 9, 11, 100, 4096, stored.count / 2, stored.count - 9, stored.count - 5, stored.count - 1] {
            _ = message(Array(stored.prefix(length)))
        }
    }

    @Test("bytes after the end are an error", arguments: ["gzip", "zstd"])
    func detectsGarbage(program: String) throws {
        let stored = try Layout.filter(tar, program, "-c")
        for garbage in [[0], [UInt8](repeating: 0, count: 512), Array("garbage that follows".utf8)] as [[UInt8]] {
            #expect(message(stored + garbage).contains("damaged"))
        }
    }

    @Test("a wrong checksum of gzip is an error")
    func checksGzip() throws {
        var stored = try Layout.filter(tar, "gzip", "-c")
        stored[stored.count - 6] ^= 1
        #expect(message(stored).contains("checksum"))
        stored[stored.count - 6] ^= 1
        stored[stored.count - 2] ^= 1
        #expect(message(stored).contains("checksum"))
    }

    @Test("a window of zstd over the limit is an error that names the limit")
    func limitsWindow() throws {
        // A frame that announces 2 GiB; a small file would not be given such a window.
        var stored: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3]
        stored += [1, 0, 0]
        #expect(message(stored).contains("zstdWindowLog of 27"))
    }

    @Test("a layer that becomes too long is an error that names the limit")
    func limitsLength() throws {
        var limits = ImportLimits()
        limits.layerBytes = 1 << 20
        let stored = try Layout.filter(tar, "gzip", "-c")
        #expect(message(stored, limits: limits).contains("layerBytes of 1048576"))
    }

    @Test("300 random changes are refused, or leave the content as it was")
    func survivesChanges() throws {
        let small = try Layout.tar("f", Array("some text, some text, some more text".utf8))
        let stored = try Layout.filter(small, "gzip", "-9c")
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var changed = stored
            changed[Int.random(in: 0..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            let layout = try Layout.single(changed, diffID: Layout.digest(small))
            let home = try Home()
            do {
                let images = try home.load(layout.path)
                let disk = try home.store.resolve(images[0].name).openDisk()
                #expect(disk.count == 2)
            } catch is ImageImportError {
                #expect(try home.files().isEmpty)
            }
        }
    }

    @Test("other compressions are named", arguments: [("xz", "xz"), ("bzip2", "bzip2")])
    func namesOthers(program: String, name: String) throws {
        #expect(message(try Layout.filter(tar, program, "-c")).contains(name))
    }
}
