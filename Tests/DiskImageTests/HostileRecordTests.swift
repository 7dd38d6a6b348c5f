import CZstd
import LinuxSystem
import Testing

@testable import DiskImage

/// Records that were written with intent, their checksum right.
@Suite("Hostile tar records")
struct HostileRecordTests {
    /// A run as it stands in a record.
    private struct Run {
        var literals: UInt64 = 0
        var start: Int64 = 0
        var length: Int64 = 0
        var bytes: [UInt8] = []
    }

    /// What a reader makes of a record with these runs, beside a data file of 10,000 bytes.
    private func read(length: Int64, _ runs: [Run], tail: [UInt8] = []) throws -> [UInt8] {
        var plain: [UInt8] = []
        for run in runs {
            for number in [run.literals, UInt64(bitPattern: run.start), UInt64(bitPattern: run.length)] {
                withUnsafeBytes(of: number.littleEndian) { plain += $0 }
            }
            plain += run.bytes
        }
        return try read(length: length, plain: plain + tail)
    }

    private func read(length: Int64, plain: [UInt8]) throws -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(plain.count))
        let size = frame.withUnsafeMutableBytes { target in
            plain.withUnsafeBytes { ZSTD_compress(target.baseAddress, target.count, $0.baseAddress, $0.count, 1) }
        }
        var header = Array("tar-rec\n".utf8) + [1, 0, 0, 0, 0, 0, 0, 0]
        withUnsafeBytes(of: length.littleEndian) { header += $0 }
        let record = try Descriptor.memory("record")
        try record.write(header + frame[..<size])
        let data = try Descriptor.memory("data")
        try data.write([UInt8](repeating: 9, count: 10_000))
        var reader = try TarRecord.Reader(record: record, data: data)
        #expect(reader.length == length)
        var archive: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { return archive }
            archive += buffer[..<count]
            try #require(archive.count <= length)
        }
    }

    @Test("runs by the rules are read")
    func sound() throws {
        let runs = [
            Run(literals: 2, start: 1, length: 3, bytes: [1, 2]), Run(start: 9_999, length: 1),
            Run(literals: 1, start: -5, bytes: [7]),
        ]
        #expect(try read(length: 7, runs) == [1, 2, 9, 9, 9, 9, 7])
        #expect(try read(length: 0, []) == [])
    }

    @Test("runs against the rules are errors")
    func unsound() throws {
        let bad: [(String, Int64, [Run])] = [
            ("a run goes back in the data file", 20, [Run(start: 5, length: 5), Run(start: 9, length: 1)]),
            ("a run goes back in the data file", 20, [Run(start: -1, length: 1)]),
            ("a run goes back in the data file", 20, [Run(start: .max, length: 1)]),
            ("a run makes no sense", 20, [Run()]),
            ("a run makes no sense", 20, [Run(start: 1, length: -1)]),
            ("a run makes no sense", .max, [Run(literals: .max)]),
            ("a run makes no sense", .max, [Run(literals: 65_537, bytes: [UInt8](repeating: 1, count: 65_537))]),
            ("it is longer than it says", 20, [Run(start: 0, length: 21)]),
            ("it is longer than it says", 20, [Run(start: 0, length: .max)]),
            ("it is longer than it says", 20, [Run(literals: 1, start: 0, length: .max, bytes: [1])]),
            ("it is longer than it says", 0, [Run(literals: 1, bytes: [1])]),
            ("it is shorter than it says", .max, [Run(start: 0, length: 20)]),
            ("it ends inside a run", 20, [Run(literals: 2, bytes: [1])]),
            ("the layer's data file ends too early", 20, [Run(start: 10_000, length: 1)]),
            ("the layer's data file ends too early", .max, [Run(start: 9_000, length: .max - 9_000)]),
        ]
        for (reason, length, runs) in bad {
            #expect(throws: DiskImageError.damagedRecord(reason), "\(runs)") { try read(length: length, runs) }
        }
        #expect(throws: DiskImageError.damagedRecord("a run makes no sense")) {
            try read(length: 20, [Run(start: 0, length: 20)], tail: [1, 2, 3])
        }
    }

    @Test("a header against the rules is an error")
    func header() throws {
        #expect(throws: DiskImageError.damagedRecord("it does not begin as one")) { try read(length: -1, []) }
    }

    @Test("any bytes as runs give an error or an archive")
    func random() throws {
        var random = Xorshift(state: 0xbeef)
        var accepted = 0
        for _ in 0..<5000 {
            var plain: [UInt8] = []
            for _ in 0..<random.next() % 6 {
                let literals = random.next() % 8 == 0 ? random.next() : random.next() % 40
                for number in [literals, random.next() % 3 * 500, random.next() % 8 == 0 ? random.next() : 100] {
                    withUnsafeBytes(of: number.littleEndian) { plain += $0 }
                }
                plain += (0..<min(literals, 40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            do {
                _ = try read(length: Int64(random.next() % 1000), plain: plain)
                accepted += 1
            } catch DiskImageError.damagedRecord {}
        }
        #expect(accepted > 0)
    }
}
