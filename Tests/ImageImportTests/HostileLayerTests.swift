import Foundation
import Testing

/// What the entries of a layer may try.
@Suite("Hostile layers")
struct HostileLayerTests {
    @Test("no name, link or whiteout reaches out of the image", arguments: escapes)
    func escape(_ archive: HostileArchive) throws { try archive.check() }

    private static let escapes = [
        HostileArchive("names that climb out", .loaded(["OUTSIDE/victim = mine", "a = 1", "b = 2"])) { tar, trap in
            tar.addPax([("path", trap.climb + "/victim")])
            tar.add("x", content: "mine")
            tar.add("../../a", content: "1")
            tar.add("x/../../../b", content: "2")
        },
        HostileArchive("absolute names", .loaded(["OUTSIDE/victim = mine"])) { tar, trap in
            tar.add(trap.outside.path + "/victim", content: "mine")
        },
        HostileArchive("absolute names in extended headers", .loaded(["OUTSIDE/victim = mine"])) { tar, trap in
            tar.addPax([("path", trap.outside.path + "/victim")])
            tar.add("x", content: "mine")
        },
        HostileArchive("a file through a link out", .loaded(["OUTSIDE/inside = mine", "out -> /OUTSIDE"])) {
            tar, trap in
            tar.add("out", type: "2", link: trap.outside.path)
            tar.add("out/inside", content: "mine")
        },
        HostileArchive(
            "a file through a link of an earlier layer that climbs",
            .loaded(["OUTSIDE/victim = mine", "up -> ../../.."]),
            layers: { tar, _ in tar.add("up", type: "2", link: "../../..") },
            { tar, trap in tar.add("up" + trap.outside.path + "/victim", content: "mine") }),
        HostileArchive("a link at the end of a name is replaced, not followed", .loaded(["l = mine"])) { tar, trap in
            tar.add("l", type: "2", link: trap.outside.path + "/victim")
            tar.add("l", content: "mine")
        },
        HostileArchive(
            "a layer that replaces a directory by a link out, and writes below it",
            .loaded(["OUTSIDE/new = mine", "d -> /OUTSIDE"]),
            layers: { tar, _ in
                tar.add("d/old", content: "old")
                tar.add("d/e/old", content: "old")
            },
            { tar, trap in
                tar.add("d", type: "2", link: trap.outside.path)
                tar.add("d/new", content: "mine")
            }),
        HostileArchive(
            "a layer below which an earlier directory is a link now",
            .loaded(["OUTSIDE/d/new = mine", "d -> /OUTSIDE/d"]),
            layers: { tar, _ in tar.add("d/old", content: "old") },
            { tar, trap in tar.add("d", type: "2", link: trap.outside.path + "/d") },
            { tar, _ in tar.add("d/new", content: "mine") }),
        HostileArchive("a hard link to a file outside", .refused("which is not there")) { tar, trap in
            tar.addPax([("linkpath", trap.climb + "/victim")])
            tar.add("stolen", type: "1")
        },
        HostileArchive("a hard link by an absolute name", .refused("which is not there")) { tar, _ in
            tar.add("stolen", type: "1", link: "/etc/passwd")
        },
        HostileArchive("a hard link through a link out", .refused("which is not there")) { tar, trap in
            tar.add("out", type: "2", link: trap.outside.path)
            tar.add("stolen", type: "1", link: "out/victim")
        },
        HostileArchive(
            "a hard link to a link out stays a link", .loaded(["l -> /OUTSIDE/victim", "m -> /OUTSIDE/victim"])
        ) { tar, trap in
            tar.add("l", type: "2", link: trap.outside.path + "/victim")
            tar.add("m", type: "1", link: "l")
        },
        HostileArchive(
            "a hard link to a file that a lower layer lost", .refused("which is not there"),
            layers: { tar, _ in tar.add("a", content: "1") },
            { tar, _ in
                tar.add(".wh.a")
                tar.add("b", type: "1", link: "a")
            }),
        HostileArchive(
            "a whiteout through a link out", .loaded(["out -> /OUTSIDE"]),
            layers: { tar, trap in tar.add("out", type: "2", link: trap.outside.path) },
            { tar, _ in tar.add("out/.wh.victim") }),
        HostileArchive(
            "a whiteout that climbs out", .loaded(["b = 2"]),
            layers: { tar, _ in
                tar.add("victim", content: "1")
                tar.add("b", content: "2")
            },
            { tar, trap in
                tar.add("../../../.wh.victim")
                tar.addPax([("path", trap.climb + "/.wh.victim")])
                tar.add("x")
            }),
        HostileArchive(
            "a whiteout through a link inside hides what the link leads to", .loaded(["d/kept = 2", "l -> d"]),
            layers: { tar, _ in
                tar.add("d/gone", content: "1")
                tar.add("d/kept", content: "2")
                tar.add("l", type: "2", link: "d")
            },
            { tar, _ in tar.add("l/.wh.gone") }),
        HostileArchive(
            "an opaque directory through a link out", .loaded(["a = 1", "out -> /OUTSIDE"]),
            layers: { tar, trap in
                tar.add("a", content: "1")
                tar.add("out", type: "2", link: trap.outside.path)
            },
            { tar, _ in tar.add("out/.wh..wh..opq") }),
        HostileArchive(
            "an opaque directory that climbs out is the root", .loaded(["b = 2"]),
            layers: { tar, _ in tar.add("a", content: "1") },
            { tar, trap in
                tar.addPax([("path", trap.climb + "/../../.wh..wh..opq")])
                tar.add("x")
                tar.add("b", content: "2")
            }),
        HostileArchive("a whiteout of ..", .refused("whiteout without a name")) { tar, _ in tar.add("d/.wh...") },
        HostileArchive("a whiteout of nothing", .refused("whiteout without a name")) { tar, _ in tar.add("d/.wh.") },
        HostileArchive("a whiteout of the root", .refused("root of the image")) { tar, _ in
            tar.add("d/..", type: "1", link: "x")
        },
    ]

    @Test("what is odd is kept as it is, or refused by its name", arguments: oddities)
    func oddity(_ archive: HostileArchive) throws { try archive.check() }

    private static let oddities = [
        HostileArchive("one name as every kind of entry", .loaded(["x = last", "y = 1"])) { tar, _ in
            tar.add("y", content: "1")
            tar.add("x/below", content: "0")
            tar.add("x", type: "2", link: "y")
            tar.add("x", type: "6")
            tar.add("x", type: "1", link: "y")
            tar.add("x/", type: "5")
            tar.add("x/again", content: "2")
            tar.add("x", content: "last")
        },
        HostileArchive(
            "a file where a directory was, and a directory where a file was", .loaded(["d = file", "f/x = below"]),
            layers: { tar, _ in
                tar.add("d/old", content: "old")
                tar.add("f", content: "old")
            },
            { tar, _ in
                tar.add("d", content: "file")
                tar.add("f/", type: "5")
                tar.add("f/x", content: "below")
            }),
        HostileArchive(
            "a file below what is a file in an earlier layer", .refused("its parent is no directory"),
            layers: { tar, _ in tar.add("f", content: "1") }, { tar, _ in tar.add("f/x", content: "2") }),
        HostileArchive("a circle of links", .refused("symbolic links")) { tar, _ in
            tar.add("a", type: "2", link: "b")
            tar.add("b", type: "2", link: "a")
            tar.add("a/x")
        },
        HostileArchive("a fifo", .loaded(["p (p)"])) { tar, _ in tar.add("p", type: "6") },
        HostileArchive("a name of 255 bytes", .loaded([String(repeating: "n", count: 255) + " = 1"])) { tar, _ in
            tar.addPax([("path", String(repeating: "n", count: 255))])
            tar.add("x", content: "1")
        },
        HostileArchive("a name of 256 bytes", .refused("the name is longer than 255 bytes")) { tar, _ in
            tar.addPax([("path", String(repeating: "n", count: 256))])
            tar.add("x")
        },
        HostileArchive("a path of 70,000 bytes", .refused("the path is longer than 4096 bytes")) { tar, _ in
            tar.add("././@LongLink", type: "L", content: String(repeating: "n/", count: 35_000))
            tar.add("x")
        },
        HostileArchive("a link of 5,000 bytes", .refused("is impossible")) { tar, _ in
            tar.addPax([("linkpath", String(repeating: "n/", count: 2_500))])
            tar.add("x", type: "2")
        },
        HostileArchive("a name that would drive a terminal", .refused("which is not there")) { tar, _ in
            tar.add("\u{1b}[2J\u{7}\nsandpiper: all is well", type: "1", link: "\u{1b}]0;title\u{7}\u{9b}2J")
        },
        HostileArchive("an attribute of 100 kB", .refused("longer than 65535 bytes")) { tar, _ in
            tar.addPax([("SCHILY.xattr.user.a", String(repeating: "x", count: 100_000))])
            tar.add("x")
        },
        HostileArchive("an attribute of 1 GB", .refused("an extended header has 1073741824 bytes")) { tar, _ in
            tar.add("pax", type: "x") { $0.size = Array("10000000000".utf8) }
        },
        HostileArchive("600 attributes", .refused("more than 512 extended attributes")) { tar, _ in
            tar.addPax((0..<600).map { ("SCHILY.xattr.user.\($0)", "") })
            tar.add("x")
        },
        HostileArchive("a user of 33 bits", .refused("no 32-bit number")) { tar, _ in
            tar.addPax([("uid", "4294967296")])
            tar.add("x")
        },
        HostileArchive("a size of 8 EiB", .refused("files have more than")) { tar, _ in
            tar.add("x") { $0.size = [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7) }
        },
        HostileArchive("a size of 8 EiB in an extended header", .refused("files have more than")) { tar, _ in
            tar.addPax([("size", "9223372036854775807")])
            tar.add("x")
        },
        HostileArchive("a volume's name of 8 EiB", .refused("an impossible size")) { tar, _ in
            tar.add("x", type: "V") { $0.size = [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7) }
        },
        HostileArchive("a size of more than 64 bits", .refused("malformed value")) { tar, _ in
            tar.addPax([("size", "9223372036854775808")])
            tar.add("x")
        },
        HostileArchive("a sparse file of 8 EiB, as GNU writes it", .refused("is too long")) { tar, _ in
            let most = [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7)
            tar.add("x", type: "S") {
                $0.magic = "ustar  "
                $0.overlay = [(386, most), (398, [0x80] + [UInt8](repeating: 0, count: 11)), (483, most)]
            }
        },
        HostileArchive("a sparse file of 8 EiB in an extended header", .refused("is too long")) { tar, _ in
            tar.addPax([("GNU.sparse.size", "9223372036854775807"), ("GNU.sparse.map", "9223372036854775807,0")])
            tar.add("x")
        },
        HostileArchive("a sparse file of 1 TiB that another replaces", .loaded(["x = 1"])) { tar, _ in
            tar.addPax([("GNU.sparse.size", "1099511627776"), ("GNU.sparse.map", "1099511627775,1")])
            tar.add("x", content: "1")
            tar.add("x", content: "1")
        },
        HostileArchive("a sparse file of more pieces than there could be", .refused("longer than the file")) { tar, _ in
            tar.addPax([
                ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "100"),
                ("GNU.sparse.name", "x"),
            ])
            tar.add("x", content: "999999999999999999\n0\n0\n")
        },
        HostileArchive("a sparse file whose data lies a PiB apart", .refused("files have more than")) { tar, _ in
            let map = (0..<1000).map { "\($0 << 40),1" }.joined(separator: ",")
            tar.addPax([("GNU.sparse.size", "\(1 << 50)"), ("GNU.sparse.map", map)])
            tar.add("x", content: String(repeating: "1", count: 1000))
        },
    ]

    @Test("devices are part of an image, and nothing else", .enabled(if: Tool.isRoot, "only root can unpack them"))
    func devices() throws {
        try HostileArchive("devices", .loaded(["null (c)", "sda (b)"])) { tar, _ in
            tar.add("sda", type: "4") { $0.major = "0000010" }
            tar.add("null", type: "3") {
                $0.major = "0000001"
                $0.minor = "0000003"
            }
            // What overlayfs takes for a deleted file.
            tar.add("deleted", type: "3")
        }.check()
    }
}
