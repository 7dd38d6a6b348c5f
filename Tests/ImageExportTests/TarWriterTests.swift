import Glibc
import LinuxSystem
import OCI
import Testing

@testable import ImageExport

/// What is written, every tar reads.
@Suite("Writing tar archives")
struct TarWriterTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// A source of bytes in pieces of 1 to 997.
    final class Dripping: ByteSource {
        private var bytes: ArraySlice<UInt8>
        private var step = 1

        init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

        func read(into output: UnsafeMutableRawBufferPointer) -> Int {
            step = step * 7 % 997
            let count = min(step, output.count, bytes.count)
            output.copyBytes(from: bytes.prefix(count))
            bytes = bytes.dropFirst(count)
            return count
        }
    }

    private final class Failing: ByteSource {
        func read(into output: UnsafeMutableRawBufferPointer) throws(ImageExportError) -> Int {
            throw .damaged("test", reason: "it ends here")
        }
    }

    private func write(_ name: String, _ body: (TarWriter) throws -> Void) throws {
        let file = try Descriptor(opening: "\(scratch.path)/\(name)", O_WRONLY | O_CREAT | O_EXCL)
        try body(TarWriter(file))
    }

    @Test("names of every length and all contents come back from GNU tar and from Python")
    func names() throws {
        var names = (95...104).map { String(repeating: "n", count: $0) }
        names += (95...104).map { "d/" + String(repeating: "n", count: $0) }
        names += (150...160).map { String(repeating: "p", count: $0) + "/" + String(repeating: "n", count: 100) }
        names += [60, 100, 120].map {
            String(repeating: "p", count: $0) + "/" + String(repeating: "q", count: 90) + "/n"
        }
        names += ["blobs/sha512/" + String(repeating: "0", count: 128), "früher", String(repeating: "ü", count: 60)]
        try write("t.tar") { tar in
            for (number, name) in names.enumerated() {
                try tar.addFile(
                    name, size: Int64(number * 300), from: Dripping(Array(repeating: 7, count: number * 300)))
            }
            try tar.addDirectory(String(repeating: "e", count: 110))
            try tar.finish()
        }
        let expected = names.enumerated().map { "\($1) \($0 * 300)" } + [String(repeating: "e", count: 110) + " 0"]
        #expect(
            try scratch.shell(
                """
                python3 - <<'PY'
                import tarfile
                for m in tarfile.open("t.tar"):
                    assert m.isdir() or m.isfile()
                    if m.isfile():
                        assert tarfile.open("t.tar").extractfile(m.name).read() == b"\\7" * m.size
                    print(m.name, m.size)
                PY
                """) == expected.joined(separator: "\n"))
        try scratch.shell("mkdir out; tar -C out -xf t.tar")
        for name in names { #expect(FileTree.exists("\(scratch.path)/out/\(name)"), "\(name)") }
        #expect(try scratch.shell("stat -c %s t.tar | awk '{ print $1 % 10240 }'") == "0")
    }

    @Test(
        "sizes that eleven octal digits cannot say are read",
        arguments: [8_589_934_591, 8_589_934_592, 1 << 40, Int64.max] as [Int64])
    func sizes(size: Int64) throws {
        try write("t.tar") { tar in
            #expect(throws: ImageExportError.self) { try tar.addFile("big", size: size, from: Failing()) }
        }
        #expect(
            try scratch.shell("python3 -c 'import tarfile; print(tarfile.open(\"t.tar\").next().size)'") == "\(size)")
        // GNU tar lists what it finds, and then complains that the rest is missing.
        #expect(try scratch.shell("tar -tvf t.tar 2>/dev/null | awk '{ print $3, $6 }' || true") == "\(size) big")
    }

    @Test("a source with more or fewer bytes than announced is an error")
    func wrongSizes() throws {
        for count in [0, 9, 11, 3 << 20] {
            try write("t\(count).tar") { tar in
                #expect(throws: ImageExportError.self) {
                    try tar.addFile("f", size: 10, from: Dripping(Array(repeating: 7, count: count)))
                }
            }
        }
    }
}
