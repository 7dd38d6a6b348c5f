import Glibc
import LinuxSystem
import SandboxState
import Testing

@Suite("The log of a job") final class JobLogTests {
    private let folder = "/tmp/sandpiper-job-log-\(getpid())-\(UInt32.random(in: .min ... .max))"
    private var path: String { folder + "/log" }

    init() throws { try FileTree.makeDirectory(folder) }

    deinit { try? FileTree.removeTree(folder) }

    private func read(_ reader: inout JobLogReader) throws -> [JobLogReader.Record] {
        var records: [JobLogReader.Record] = []
        while let record = try reader.record() { records.append(record) }
        return records
    }

    /// A record as it lies in the file.
    private func raw(_ channel: UInt8, _ length: UInt32, _ bytes: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0, count: 8) + [channel, 0, 0, 0] + withUnsafeBytes(of: length.littleEndian) { Array($0) }
            + bytes
    }

    private func write(_ first: UInt64, _ records: [[UInt8]]) throws {
        try FileTree.writeAtomically(
            withUnsafeBytes(of: first.littleEndian) { Array($0) } + records.flatMap { $0 }, to: path)
    }

    @Test("gives back what was written, in order, also to one who reads while it is written")
    func following() throws {
        var reader = JobLogReader(path: path)
        #expect(try reader.record() == nil)
        var log = try JobLog(path: path)
        #expect(try reader.record() == nil)
        try log.append(.output, [1, 2], at: 5)
        #expect(try reader.record() == .init(time: 5, channel: .output, bytes: [1, 2]))
        #expect(try reader.record() == nil)
        try log.append(.error, [], at: 6)
        try log.append(.end, [UInt8(ascii: "0")], at: 7)
        #expect(
            try read(&reader) == [
                .init(time: 6, channel: .error, bytes: []), .init(time: 7, channel: .end, bytes: [UInt8(ascii: "0")]),
            ])
        #expect(reader.missed == 0)
    }

    @Test("keeps a long piece of output in several records")
    func longPiece() throws {
        var log = try JobLog(path: path)
        let bytes = (0..<200_000).map { UInt8($0 % 251) }
        try log.append(.output, bytes)
        var reader = JobLogReader(path: path)
        #expect(try read(&reader).flatMap(\.bytes) == bytes)
    }

    @Test("a reader that keeps up misses nothing when the files change")
    func rotationFollowed() throws {
        var log = try JobLog(path: path)
        var reader = JobLogReader(path: path)
        let piece = [UInt8](repeating: 7, count: 60_000)
        for number in 0..<300 {
            try log.append(.output, piece, at: UInt64(number))
            #expect(try reader.record()?.time == UInt64(number))
        }
        #expect(try reader.record() == nil)
        #expect(reader.missed == 0)
    }

    @Test("takes at most two files of its limit; a reader that comes late learns how much it missed")
    func rotationMissed() throws {
        var log = try JobLog(path: path)
        let piece = [UInt8](repeating: 7, count: 60_000)
        for number in 0..<300 { try log.append(.output, piece, at: UInt64(number)) }
        for name in [path, path + ".1"] {
            let size = try Descriptor(opening: name).status().st_size
            #expect(size <= JobLog.limit + 8)
        }
        #expect(try FileTree.names(in: folder) == ["log", "log.1"])
        var reader = JobLogReader(path: path)
        let times = try read(&reader).map(\.time)
        #expect(times.last == 299)
        #expect(times.first == reader.missed)
        #expect(times == Array((times.first ?? 0)...299))
    }

    @Test("a reader that is overtaken twice goes on with the oldest that is kept")
    func overtaken() throws {
        var log = try JobLog(path: path)
        var reader = JobLogReader(path: path)
        let piece = [UInt8](repeating: 7, count: 60_000)
        try log.append(.output, piece, at: 0)
        #expect(try reader.record()?.time == 0)
        for number in 1..<300 { try log.append(.output, piece, at: UInt64(number)) }
        let times = try read(&reader).map(\.time)
        #expect(times.last == 299)
        // The rest of the file that was open, then the two that are there.
        #expect(UInt64(times.count) + 1 + reader.missed == 300)
    }

    @Test("a record that is cut off is not there yet")
    func cut() throws {
        var reader = JobLogReader(path: path)
        let whole = raw(1, 3, [1, 2, 3])
        for count in 0..<whole.count {
            try write(0, [Array(whole.prefix(count))])
            reader = JobLogReader(path: path)
            #expect(try reader.record() == nil)
        }
        try write(0, [whole])
        reader = JobLogReader(path: path)
        #expect(try reader.record()?.bytes == [1, 2, 3])
    }

    @Test("a file without the number of its first record is empty", arguments: 0..<8)
    func short(_ count: Int) throws {
        try FileTree.writeAtomically([UInt8](repeating: 0xff, count: count), to: path)
        var reader = JobLogReader(path: path)
        #expect(try reader.record() == nil)
    }

    @Test(
        "an impossible length or channel is an error, not a trap",
        arguments: [(1, .max), (1, 65_537), (0, 1), (4, 1)] as [(UInt8, UInt32)])
    func impossible(_ channel: UInt8, _ length: UInt32) throws {
        try write(0, [raw(2, 1, [9]), raw(channel, length, [9])])
        var reader = JobLogReader(path: path)
        #expect(try reader.record()?.bytes == [9])
        #expect(throws: SystemError("read", path, number: EBADMSG)) { try reader.record() }
    }

    @Test("numbers that no log comes to are an error, not a trap")
    func highestNumber() throws {
        try write(.max - 1, [raw(1, 1, [1]), raw(1, 1, [2])])
        var reader = JobLogReader(path: path)
        #expect(try reader.record()?.bytes == [1])
        #expect(reader.missed == UInt64.max - 1)
        #expect(throws: SystemError("read", path, number: EBADMSG)) { try reader.record() }
    }
}
