import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

/// Archives made by hand, for what no program here writes.
@Suite("Headers")
struct HeaderTests {
    private let space: Workspace

    init() throws { space = try Workspace() }

    private func show(_ build: (inout TarBytes) -> Void) throws -> String {
        try space.show([TarBytes.archive(build)], step: 77)
    }

    private func content(_ path: String) throws -> String {
        String(decoding: try FileTree.read(path), as: UTF8.self)
    }

    private func refuses(_ build: (inout TarBytes) -> Void) -> Bool {
        do {
            _ = try space.layer(TarBytes.archive(build))
            return false
        } catch { return error is DiskImageError }
    }

    @Test("old ways to write a header")
    func oldWays() throws {
        let root = try show { tar in
            tar.add("signed", content: "1") {
                $0.signedChecksum = true
                $0.overlay = [(265, [0xc3, 0xa9])]  // a user's name beyond ASCII
            }
            tar.add("v7-directory/", type: "\u{0}") { $0.magic = "\u{0}" }
            tar.add("v7-directory/file", type: "\u{0}", content: "2") { $0.magic = "\u{0}" }
            tar.add("star", content: "3") {
                $0.prefix = Array("prefix".utf8)
                $0.overlay = [(345 + 132, Array("0000000000".utf8)), (508, Array("tar\u{0}".utf8))]
            }
            tar.add("contiguous", type: "7", content: "4")
            tar.add("unknown-type", type: "Z", content: "5")
            tar.add("volume", type: "V", content: "skip me")
            tar.add("dump/", type: "D", content: "Yfile\u{0}")
            tar.add("spaces", content: "6") {
                $0.mode = "   644 "
                $0.owner = "     0\u{0}"
            }
            tar.add("binary") {
                $0.size = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                $0.overlay = [(136, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe])]
            }
        }
        #expect(
            try FileTree.names(in: root) == [
                "binary", "contiguous", "dump", "prefix", "signed", "spaces", "unknown-type", "v7-directory",
            ])
        #expect(try content(root + "/prefix/star") == "3")
        #expect(try content(root + "/v7-directory/file") == "2")
        #expect(try content(root + "/unknown-type") == "5")
        #expect(try TreeListing(of: root).lines["/binary"]?.contains(" -2.0 ") == true)
    }

    @Test("pax headers override the fields of one entry, global ones of all that follow")
    func pax() throws {
        let root = try show { tar in
            tar.addPax([("mtime", "100.5"), ("comment", "for all")], type: "g")
            tar.add("one")
            tar.addPax([("path", "two-of-pax"), ("mtime", "200"), ("size", "3")])
            tar.add("two", content: "abc") { $0.size = Array("77777777777".utf8) }
            tar.add("three")
            tar.addPax([("linkpath", "three"), ("GNU.other", ""), ("mtime", "300.1234567899")])
            tar.add("link", type: "2", link: "no")
            tar.addPax([("mtime", "")])
            tar.add("four") { $0.time = "00000000007" }
        }
        let lines = try TreeListing(of: root).lines
        #expect(lines["/one"]?.contains(" 100.500000000 ") == true)
        #expect(lines["/two-of-pax"]?.contains(" 200.0 3 ") == true)
        #expect(lines["/three"]?.contains(" 100.500000000 ") == true)
        #expect(lines["/link"]?.contains(" 300.123456789 -> three ") == true)
        #expect(lines["/four"]?.contains(" 7.0 ") == true)
    }

    @Test("GNU long names and links count for one entry")
    func longNames() throws {
        let long = String(repeating: "l", count: 150)
        let root = try show { tar in
            tar.add("././@LongLink", type: "K", content: "target-" + long + "\u{0}")
            tar.add("././@LongLink", type: "L", content: long + "\u{0}")
            tar.add("short", type: "2", link: "short")
            tar.add("next", content: "x")
        }
        #expect(try FileTree.names(in: root) == [long, "next"])
        #expect(try TreeListing(of: root).lines["/" + long]?.contains("-> target-" + long) == true)
    }

    @Test("links, devices and directories have no content, whatever their size says")
    func sizesWithoutContent() throws {
        let root = try show { tar in
            tar.add("a", content: "a")
            tar.add("hard", type: "1", link: "a") { $0.size = Array("00000001000".utf8) }
            tar.add("soft", type: "2", link: "a") { $0.size = Array("00000001000".utf8) }
            tar.add("d", type: "5") { $0.size = Array("00000001000".utf8) }
            tar.add("z", content: "z")
        }
        #expect(try FileTree.names(in: root) == ["a", "d", "hard", "soft", "z"])
    }

    @Test("an archive may end at any header, and anything may follow its end")
    func ends() throws {
        var tar = TarBytes()
        tar.add("a", content: "x")
        #expect(try space.layer(tar.bytes).entryCount == 1)
        #expect(try space.layer(tar.bytes.dropLast(511)).entryCount == 1)
        #expect(try space.layer(tar.bytes + [UInt8](repeating: 0, count: 512)).entryCount == 1)
        #expect(try space.layer([]).entryCount == 0)
        tar.end()
        #expect(try space.layer(tar.bytes + [UInt8](repeating: 7, count: 3000)).entryCount == 1)
        #expect(throws: DiskImageError.truncated(inside: "the content of a file")) {
            try space.layer(Array(tar.bytes[..<512]))
        }
        #expect(throws: DiskImageError.truncated(inside: "a header")) { try space.layer(Array(tar.bytes[..<100])) }
    }

    @Test("what is no archive is refused")
    func refused() {
        #expect(refuses { $0.addRaw(Array(repeating: 0x41, count: 1024)) })
        #expect(refuses { $0.add("a") { $0.checksum = 1 } })
        #expect(refuses { $0.add("a") { $0.mode = "00009" } })
        #expect(refuses { $0.add("a") { $0.size = [0xff] + [UInt8](repeating: 0xff, count: 11) } })
        #expect(refuses { $0.add("a") { $0.size = [0x80] + [UInt8](repeating: 0xff, count: 11) } })
        #expect(
            refuses {
                $0.addRaw([UInt8](repeating: 0, count: 512)); $0.add("a")
            })
        #expect(refuses { $0.addPax([("path", "a")]) })
        #expect(
            refuses {
                $0.addPax([("path", "a\u{0}b")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("mtime", "yesterday")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("size", "-1")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("size", "99999999999999999999")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.add("pax", type: "x", content: "12 path=long enough\n"); $0.add("x")
            })
        #expect(
            refuses {
                $0.add("pax", type: "x", content: "99 path=short\n"); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("uid", "4294967295")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("uid", "4294967296")]); $0.add("x")
            })
        #expect(refuses { $0.add("a", type: "2") })
        #expect(refuses { $0.add("a", type: "1") })
        #expect(refuses { $0.add(".") })
        #expect(refuses { $0.add("a/..", type: "6") })
        #expect(refuses { $0.add("") })
        #expect(refuses { $0.add("a", type: "M") })
        #expect(
            refuses {
                $0.addPax([("path", String(repeating: "n", count: 256))]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("path", String(repeating: "n/", count: 2049))]); $0.add("x")
            })
        #expect(refuses { $0.add("a", type: "3") { $0.major = "0010000" } })
        #expect(
            refuses {
                $0.addPax([("LIBARCHIVE.xattr.user.a", "%%%")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("LIBARCHIVE.xattr.user.%4", "AAAA")]); $0.add("x")
            })
        #expect(
            refuses {
                $0.addPax([("SCHILY.xattr.user." + String(repeating: "x", count: 251), "")]); $0.add("x")
            })
    }

    @Test(
        "sparse maps that contradict themselves are refused",
        arguments: ["4,2,3,2", "0,5", "90,20", "0,4,9223372036854775807,9223372036854775807", "1", "0,-1", "a,b"])
    func sparseMaps(map: String) {
        #expect(
            refuses { tar in
                tar.addPax([("GNU.sparse.size", "100"), ("GNU.sparse.map", map)])
                tar.add("f", content: "1234")
            })
        #expect(
            refuses { tar in
                tar.addPax([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "100")])
                let numbers = map.split(separator: ",")
                tar.add("f", content: "\(numbers.count / 2)\n" + numbers.map { $0 + "\n" }.joined())
            })
    }

    @Test("limits hold, and say what they limit")
    func limits() throws {
        func error(_ limits: LayerLimits, _ build: (inout TarBytes) -> Void) -> String? {
            do {
                _ = try space.layer(TarBytes.archive(build), limits: limits)
                return nil
            } catch { return "\(error)" }
        }
        let three = { (tar: inout TarBytes) in for name in ["a", "b", "c"] { tar.add(name, content: "x") } }
        #expect(error(.init(entries: 3), three) == nil)
        #expect(error(.init(entries: 2), three)?.contains("more than 2 entries") == true)
        #expect(error(.init(dataBytes: 8192), three)?.contains("more than 8192 bytes") == true)
        #expect(error(.init(indexBytes: 100), three)?.contains("more than 100 bytes") == true)
        #expect(
            error(.init(headerBytes: 100)) { $0.addPax([("path", String(repeating: "x", count: 100))]) }?
                .contains("more than 100") == true)
        let layer = try space.layer(TarBytes.archive(three))
        #expect(throws: DiskImageError.self) {
            try ImageDisk.write(layers: [layer], to: .memory("image"), limits: .init(entries: 3))
        }
        #expect(throws: DiskImageError.self) {
            try ImageDisk.write(layers: [layer], to: .memory("image"), limits: .init(metadataBytes: 4096))
        }
    }

    @Test("names of foreign bytes cannot disturb a terminal")
    func printable() {
        let error = DiskImageError.entry(Array("\u{1b}[2J\nnext\u{202e}".utf8) + [0xff], "reason")
        #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 32 && $0 != "\u{202e}" })
    }
}
