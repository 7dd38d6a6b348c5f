import LinuxSystem
import Testing

@testable import DiskImage

/// Nothing that comes from outside may trap, hang or fill the memory, whatever it is.
@Suite("Hostile bytes")
struct HostileBytesTests {
    private static let limits = LayerLimits(
        entries: 1000, dataBytes: 1 << 30, indexBytes: 1 << 20, headerBytes: 1 << 16, sparseSegments: 1000)

    /// A small archive with one of everything.
    private static let archive = TarBytes.archive { tar in
        tar.addPax([("mtime", "1.5"), ("comment", "c")], type: "g")
        tar.addPax([("path", "dir/pax"), ("SCHILY.xattr.user.a", "b"), ("LIBARCHIVE.xattr.user.%41", "YWJj")])
        tar.add("x", content: "content")
        tar.add("././@LongLink", type: "L", content: "long\u{0}")
        tar.add("././@LongLink", type: "K", content: "dir/pax\u{0}")
        tar.add("y", type: "2")
        tar.add("dir/.wh.gone")
        tar.add("dir/.wh..wh..opq")
        tar.add("hard", type: "1", link: "dir/pax")
        tar.add("char", type: "3") { $0.minor = "0000003" }
        tar.addSparseFiles()
    }

    /// Takes an archive all the way to a disk, and checks that its record gives it back.
    private func build(_ archive: some RandomAccessCollection<UInt8>, step: Int = .max) throws -> LayerIndex {
        let data = try Descriptor.memory("data")
        let record = try Descriptor.memory("record")
        var writer = try LayerWriter(data: data, record: record, limits: Self.limits)
        let archive = Array(archive)
        try archive.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                let end = start + min(step, bytes.count - start)
                try writer.consume(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        let index = try LayerIndex(decoding: writer.finish().encoded)
        var reader = try TarRecord.Reader(record: record, data: data)
        var rebuilt = [UInt8](repeating: 0, count: archive.count + 1)
        var filled = 0
        while case let count = try rebuilt[filled...].withUnsafeMutableBytes({ try reader.read(into: $0) }), count > 0 {
            filled += count
        }
        #expect(rebuilt[..<filled].elementsEqual(archive), "the record gives another archive back")
        try write(index)
        return index
    }

    private func write(_ index: LayerIndex) throws {
        let limits = ImageLimits(entries: 10_000, metadataBytes: 1 << 20)
        _ = try ImageDisk.write(layers: [index, index], to: .memory("image"), limits: limits)
    }

    @Test("every way to cut the archive into pieces gives the same layer")
    func pieces() throws {
        let whole = try build(Self.archive)
        #expect(whole.entryCount == 7)
        #expect(whole.removalCount == 2)
        for step in [1, 2, 3, 7, 100, 511, 512, 513, 1000, 1024, 4096] {
            #expect(try build(Self.archive, step: step).encoded == whole.encoded)
        }
    }

    @Test("an archive cut anywhere gives an error or a layer")
    func truncation() throws {
        var layers = 0
        for length in 0...Self.archive.count {
            do {
                _ = try build(Self.archive[..<length])
                layers += 1
            } catch { #expect(error is DiskImageError) }
        }
        // Only where an entry is complete: at most in the last block of each, and after the end.
        #expect(layers > 0 && layers < Self.archive.count / 2)
    }

    @Test("changed archives give an error or a layer")
    func mutatedArchives() throws {
        var random = Xorshift(state: 0x5eed)
        var layers = 0
        for round in 0..<6000 {
            var archive = Self.archive
            for _ in 0...random.next() % 4 { Self.mutate(&archive, &random) }
            // Every other archive gets its checksums put right, so that the change reaches what lies behind them.
            if round % 2 == 0 { Self.repairChecksums(&archive) }
            do {
                _ = try build(archive, step: 1 + Int(random.next() % 3000))
                layers += 1
            } catch { #expect(error is DiskImageError) }
        }
        #expect(layers > 0)
    }

    @Test("changed indexes give an error or a disk")
    func mutatedIndexes() throws {
        var random = Xorshift(state: 0xdecade)
        let original = try build(Self.archive).encoded
        var accepted = 0
        for length in 0..<original.count {
            #expect(throws: DiskImageError.self) { try LayerIndex(decoding: Array(original[..<length])) }
        }
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0...random.next() % 3 { Self.mutate(&bytes, &random) }
            do {
                try write(try LayerIndex(decoding: bytes))
                accepted += 1
            } catch { #expect(error is DiskImageError) }
        }
        #expect(accepted > 0)
    }

    @Test("deep paths and long ways through links end at a limit")
    func bombs() throws {
        let deep = TarBytes.archive { tar in
            for number in 0..<20 {
                tar.addPax([("path", "\(number)" + String(repeating: "/d", count: 2000))])
                tar.add("x")
            }
        }
        #expect(throws: DiskImageError.self) { try build(deep) }
        let links = TarBytes.archive { tar in
            // Each link leads twice through the one before: 2^40 steps for the last.
            tar.add("l0", type: "2", link: ".")
            for number in 1..<40 { tar.add("l\(number)", type: "2", link: "l\(number - 1)/l\(number - 1)") }
            tar.add("l39/x")
        }
        #expect(throws: DiskImageError.self) { try build(links) }
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout Xorshift) {
        let place = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 5 {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes[place] ^= 1 << UInt8(random.next() % 8)
        case 2: bytes[place] = [0, 0xff, 0x7f, 0x80, UInt8(ascii: "7"), UInt8(ascii: "/")][Int(random.next() % 6)]
        case 3:
            let length = Int(random.next() % 16)
            for index in place..<min(place + length, bytes.count) { bytes[index] = 0xff }
        default:
            let block = place & ~511
            let other = Int(random.next() % UInt64(bytes.count)) & ~511
            for index in 0..<512 where max(block, other) + index < bytes.count {
                bytes.swapAt(block + index, other + index)
            }
        }
    }

    private static func repairChecksums(_ archive: inout [UInt8]) {
        for block in stride(from: 0, to: archive.count - 511, by: 512) where archive[block + 257] == UInt8(ascii: "u") {
            for index in 148..<156 { archive[block + index] = UInt8(ascii: " ") }
            let sum = archive[block..<block + 512].reduce(0) { $0 + Int($1) }
            for (index, byte) in (TarBytes.octal(sum, 6) + "\u{0} ").utf8.enumerated() {
                archive[block + 148 + index] = byte
            }
        }
    }
}

/// Numbers that are the same in every run.
struct Xorshift {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
