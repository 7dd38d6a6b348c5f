import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

@Suite("Large layers")
struct ScaleTests {
    @Test("a million entries take less than 200 bytes of memory each")
    func millionEntries() async throws {
        // In a process of its own, whose memory is nobody else's.
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try MillionEntries.run()
        }
        print(String(decoding: result.standardOutputContent, as: UTF8.self))
    }

    @Test("a sparse file of 5 GiB takes no space for its holes", arguments: ["posix", "gnu"])
    func sparse(format: String) throws {
        let space = try Workspace()
        try space.shell(
            """
            truncate -s 5G huge; printf begin | dd of=huge conv=notrunc status=none
            printf middle | dd of=huge conv=notrunc bs=1M seek=4500 status=none
            printf end | dd of=huge conv=notrunc oflag=seek_bytes seek=$((5 * 1024 * 1024 * 1024 - 3)) status=none
            tar -S --format=\(format) -cf huge.tar huge
            """)
        let layer = try space.layer(file: "huge.tar", "huge")
        let data = try Descriptor(opening: space.path + "/huge.data").status()
        #expect(data.st_blocks * 512 < 2 << 20)
        #expect(layer.dataLength < 2 << 20)
        guard Workspace.isRoot else { return }
        let root = try space.show(try space.image([("huge", layer)]))
        let file = try Descriptor(opening: root + "/huge")
        #expect(try file.status().st_size == 5 << 30)
        func read(_ offset: Int64, _ count: Int) throws -> String {
            var bytes = [UInt8](repeating: 1, count: count)
            let read = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
            return String(decoding: bytes[..<read], as: UTF8.self)
        }
        #expect(try read(0, 6) == "begin\u{0}")
        #expect(try read(4500 << 20, 7) == "middle\u{0}")
        #expect(try read(5 << 30 - 4, 100) == "\u{0}end")
        #expect(try read(3 << 30, 1000) == String(repeating: "\u{0}", count: 1000))
    }

    @Test("a file of more than 4 GiB is one piece", .enabled(if: Workspace.isRoot, "only root can mount"))
    func large() throws {
        let space = try Workspace()
        // The index as the writer makes it; the content is a hole of the host's file system, to spare the disk.
        let size = Int64(5) << 30 + 3
        var encoder = IndexEncoder(limits: .init())
        var record = IndexRecord()
        record.size = UInt64(size)
        record.permissions = 0o644
        try encoder.add(record, path: Array("large".utf8))
        let layer = try LayerIndex(decoding: encoder.finish(dataLength: Block.roundUp(size)).encoded)
        let data = try Descriptor(opening: space.path + "/large.data", O_RDWR | O_CREAT)
        guard ftruncate(data.rawValue, Int(layer.dataLength)) == 0 else { throw SystemError("ftruncate") }
        let mark = Array("end".utf8)
        try mark.withUnsafeBytes { try data.write($0, at: size - 3) }
        let root = try space.mount(try space.image([("large", layer)]))
        let file = try Descriptor(opening: root + "/large")
        #expect(try Int64(file.status().st_size) == size)
        var bytes = [UInt8](repeating: 1, count: 10)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: size - 3) }
        #expect(Array(bytes[..<count]) == mark)
    }
}

/// A layer with a million entries, made while it is read, and its disk.
private enum MillionEntries {
    static let count = 1_000_000

    static func run() throws {
        let space = try Workspace()
        let begin = seconds()
        let before = try peak()
        let layer = try writeLayer(to: Descriptor(opening: space.path + "/many.data", O_RDWR | O_CREAT))
        let middle = seconds()
        let afterLayer = try peak()
        let file = try Descriptor(opening: space.path + "/image", O_RDWR | O_CREAT)
        let length = try ImageDisk.write(layers: [layer], to: file)
        let end = seconds()
        let after = try peak()
        precondition(layer.entryCount >= count)
        let buffers = 10 << 20
        let perEntry = (after - before - buffers) / count
        print(
            """
            a million entries: layer \(middle - begin) s, \((afterLayer - before - buffers) / count) bytes an entry; \
            disk \(end - middle) s, \(perEntry) bytes an entry, index included; \
            index \(layer.encoded.count >> 20) MiB, metadata \(length >> 20) MiB
            """)
        precondition(perEntry < 200)
        try space.run("fsck.erofs", space.path + "/image")
    }

    private static func writeLayer(to data: Descriptor) throws -> LayerIndex {
        var writer = LayerWriter(data: data)
        var chunk: [UInt8] = []
        chunk.reserveCapacity(1 << 20)
        for number in 0..<count {
            if number % 1000 == 0 { chunk += header("directory-\(number / 1000)/", type: "5") }
            chunk += header("directory-\(number / 1000)/some-file-\(number)", type: "0")
            if chunk.count > 1 << 19 {
                try chunk.withUnsafeBytes { try writer.consume($0) }
                chunk.removeAll(keepingCapacity: true)
            }
        }
        chunk += [UInt8](repeating: 0, count: 1024)
        try chunk.withUnsafeBytes { try writer.consume($0) }
        return try writer.finish()
    }

    private static let template = TarBytes.header(.init(), contentSize: 0)
    private static let templateSum =
        template.reduce(0) { $0 + Int($1) } - template[148..<156].reduce(0) { $0 + Int($1) } + 256

    /// A header that differs from the template in name and type only.
    private static func header(_ name: String, type: Character) -> [UInt8] {
        var block = template
        var sum = templateSum - Int(block[156]) + Int(type.asciiValue ?? 0)
        block[156] = type.asciiValue ?? 0
        for (index, byte) in name.utf8.enumerated() {
            block[index] = byte
            sum += Int(byte)
        }
        for index in 0..<6 { block[153 - index] = UInt8(ascii: "0") + UInt8(sum >> (3 * index) & 7) }
        return block
    }

    /// The most memory this process ever had, in bytes.
    private static func peak() throws -> Int {
        let status = String(decoding: try FileTree.read("/proc/self/status"), as: UTF8.self)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return (Int(line.filter(\.isNumber)) ?? 0) << 10
    }

    private static func seconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec / 1_000_000) / 1000
    }
}
