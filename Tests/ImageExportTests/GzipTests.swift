import Glibc
import Hashing
import LinuxSystem
import OCI
import Testing

@testable import ImageExport

/// gzip that every program reads, the same each time.
@Suite("Compressing with gzip")
struct GzipTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func compress(_ source: any ByteSource, _ name: String) throws -> ContentDescriptor {
        let file = try Descriptor(opening: "\(scratch.path)/\(name)", O_WRONLY | O_CREAT | O_EXCL)
        return try GzipCompressor.compress(source, to: file)
    }

    @Test(
        "gunzip gives the bytes back, and digest and size are those of the file",
        arguments: [0, 1, 511, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_001])
    func roundTrip(size: Int) throws {
        let text = Array("the quick brown fox, number \(size)\n".utf8)
        var state: UInt64 = 88_172_645_463_325_252
        // Half of it compresses, half does not.
        let bytes = (0..<size).map { index -> UInt8 in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return index & 0x10000 == 0 ? text[index % text.count] : UInt8(truncatingIfNeeded: state)
        }
        let layer = try compress(MemoryBytes(bytes), "out.gz")
        try scratch.write(bytes, to: "expected")
        try scratch.shell("gzip -t out.gz; gunzip -c out.gz | cmp - expected")
        #expect(layer.mediaType == .gzipLayer)
        #expect(try scratch.shell("stat -c %s out.gz") == "\(layer.size)")
        #expect(try scratch.shell("sha256sum out.gz | cut -c-64") == layer.digest.hex)
        // RFC 1952: deflate, no flags, no time, no hint, unknown system.
        #expect(try Array(scratch.read("out.gz").prefix(10)) == [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
        #expect(try compress(TarWriterTests.Dripping(bytes), "again.gz") == layer)
    }

    @Test("a full device is told")
    func full() throws {
        let file = try Descriptor(opening: "/dev/full", O_WRONLY)
        #expect(throws: ImageExportError.system(SystemError("write", number: ENOSPC))) {
            try GzipCompressor.compress(MemoryBytes([1]), to: file)
        }
    }
}
