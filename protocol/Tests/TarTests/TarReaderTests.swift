import Tar
import Testing

@Suite("Reading and encoding tar archives")
struct TarReaderTests {
    private static let long = Array(String(repeating: "directory/", count: 40).utf8)

    private static let entries: [TarEntry] = [
        TarEntry(name: Array("d/".utf8), kind: .directory, mode: 0o1777, modified: (5, 0)),
        TarEntry(
            name: Array("d/file".utf8), kind: .file, mode: 0o4755, owner: 7, group: 8, modified: (-2, 500), size: 700),
        TarEntry(
            name: long + Array("ü".utf8), kind: .symbolicLink(target: long), mode: 0o777, modified: (1, 999_999_999)),
        TarEntry(name: [0xff, 0xfe], kind: .hardLink(target: Array("d/file".utf8)), mode: 0o600, owner: 4_000_000_000),
        TarEntry(name: Array("null".utf8), kind: .characterDevice(major: 1, minor: 0xfffff), mode: 0o666),
        TarEntry(name: Array("disk".utf8), kind: .blockDevice(major: 0xfff, minor: 3), mode: 0o660, group: 3_000_000),
        TarEntry(name: Array("fifo".utf8), kind: .fifo, mode: 0o644, modified: (1 << 40, 0)),
        TarEntry(
            name: Array("attributes".utf8), kind: .file, mode: 0, size: 0,
            attributes: [
                .init(name: Array("user.a=b".utf8), value: [0, 10, 61]),
                .init(name: Array("security.x".utf8), value: []),
            ]),
    ]

    private static func archive(_ entries: [TarEntry]) -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes +=
                TarEncoder.header(entry) + [UInt8](repeating: 9, count: Int(entry.size))
                + TarEncoder.padding(entry.size)
        }
        return bytes + TarEncoder.end(after: Int64(bytes.count))
    }

    private func read(
        _ archive: [UInt8], step: Int, checksContent: Bool = true
    ) throws -> (entries: [TarEntry], content: Int, ends: Int) {
        var reader = TarReader()
        var result: (entries: [TarEntry], content: Int, ends: Int) = ([], 0, 0)
        for start in stride(from: 0, to: archive.count, by: step) {
            reader.append(archive[start..<min(start + step, archive.count)])
            while let event = try reader.next() {
                switch event {
                case .entry(let entry): result.entries.append(entry)
                case .content(let bytes, let offset):
                    if checksContent { #expect(offset == Int64(result.content) && bytes.allSatisfy { $0 == 9 }) }
                    result.content += bytes.count
                case .end: result.ends += 1
                }
            }
        }
        try reader.finish()
        return result
    }

    @Test("what was encoded is read, in pieces of any size", arguments: [1, 7, 511, 512, 513, 100_000])
    func roundTrip(_ step: Int) throws {
        let result = try read(Self.archive(Self.entries), step: step)
        // Attributes whose name holds what ends a name in a pax record cannot be said.
        #expect(result.entries.dropLast() == Self.entries.dropLast())
        #expect(result.content == 700 && result.ends == 2)
        #expect(result.entries.last?.attributes.last == Self.entries.last?.attributes.last)
    }

    @Test("an archive has whole records", arguments: 0...8)
    func records(_ count: Int) { #expect(Self.archive(Array(Self.entries.prefix(count))).count % 10_240 == 0) }

    @Test("an archive that is cut anywhere but between entries is refused")
    func cut() throws {
        let archive = Self.archive([Self.entries[1]])
        for count in stride(from: 1, to: 512 + 512 + 512 + 700, by: 13) where count % 512 != 0 || count < 1000 {
            #expect(throws: TarError.truncated) { try read(Array(archive.prefix(count)), step: 100) }
        }
        #expect(try read([], step: 1).entries.isEmpty)
    }

    @Test("a flipped bit in a header is noticed")
    func checksum() {
        var archive = Self.archive([Self.entries[0]])
        archive[3] ^= 1
        #expect(throws: TarError.self) { try read(archive, step: 512) }
    }

    @Test("random changes are refused or understood, and never more than that")
    func random() {
        let archive = Self.archive(Self.entries)
        for _ in 0..<300 {
            var changed = archive
            for _ in 0..<3 { changed[Int.random(in: 0..<archive.count)] = UInt8.random(in: 0...255) }
            _ = try? read(changed.filter { _ in Int.random(in: 0..<5000) > 0 }, step: 300, checksContent: false)
        }
    }
}
