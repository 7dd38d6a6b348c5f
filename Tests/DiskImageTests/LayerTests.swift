import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

/// How layers act on one another, and what becomes of entries no file system has.
@Suite("Layers")
struct LayerTests {
    private let space: Workspace

    init() throws { space = try Workspace() }

    private func names(_ archives: [UInt8]..., below directory: String = "") throws -> [String] {
        try FileTree.names(in: try space.show(archives) + "/" + directory)
    }

    private func content(_ path: String) throws -> String {
        String(decoding: try FileTree.read(path), as: UTF8.self)
    }

    @Test("a whiteout hides the file of the layer below, wherever it stands in the archive")
    func whiteout() throws {
        let lower = TarBytes.archive { tar in
            tar.add("a", content: "old")
            tar.add("b", content: "old")
            tar.add("d/x", content: "old")
        }
        let upper = TarBytes.archive { tar in
            tar.add("a", content: "new")
            tar.add(".wh.a")
            tar.add(".wh.b")
            tar.add("d/y", content: "new")
            tar.add(".wh.d")
            tar.add("missing/.wh.q")
        }
        let root = try space.show([lower, upper])
        #expect(try FileTree.names(in: root) == ["a", "d"])
        #expect(try content(root + "/a") == "new")
        #expect(try FileTree.names(in: root + "/d") == ["y"])
    }

    @Test("an opaque directory hides all of the layers below and nothing of its own")
    func opaque() throws {
        let lower = TarBytes.archive { tar in
            tar.add("d/", type: "5") { $0.mode = "0000711" }
            tar.add("d/x")
            tar.add("d/e/f")
        }
        let upper = TarBytes.archive { tar in
            tar.add("d/new")
            tar.add("d/.wh..wh..opq")
            tar.add("d/e/g")
        }
        let root = try space.show([lower, upper])
        #expect(try FileTree.names(in: root + "/d") == ["e", "new"])
        #expect(try FileTree.names(in: root + "/d/e") == ["g"])
        #expect(try TreeListing(of: root).lines["/d"]?.hasPrefix("40711 ") == true)
    }

    @Test("an opaque root hides all layers below")
    func opaqueRoot() throws {
        let lower = TarBytes.archive { $0.add("x/y/z") }
        let upper = TarBytes.archive { tar in
            tar.add("x/new")
            tar.add(".wh..wh..opq")
        }
        let root = try space.show([lower, upper, TarBytes.archive { $0.add("x/top") }])
        #expect(try FileTree.names(in: root) == ["x"])
        #expect(try FileTree.names(in: root + "/x") == ["new", "top"])
        #expect(try FileTree.names(in: root + "/x/..") == ["x"])
    }

    @Test("aufs' own names are left out with all that is in them")
    func aufs() throws {
        let archive = TarBytes.archive { tar in
            tar.add(".wh..wh.aufs", content: "content to skip")
            tar.add(".wh..wh.plnk/", type: "5")
            tar.add(".wh..wh.plnk/12.34", content: "more")
            tar.add("a/.wh..wh.orph/x")
            tar.add("b")
        }
        #expect(try names(archive) == ["b"])
    }

    @Test("a whiteout without a proper name is refused", arguments: [".wh.", ".wh..", ".wh...", "a/.wh."])
    func emptyWhiteout(name: String) throws {
        #expect(throws: DiskImageError.self) { try space.layer(TarBytes.archive { $0.add(name) }) }
    }

    @Test("the last entry of a name wins, and directories merge")
    func duplicates() throws {
        let archive = TarBytes.archive { tar in
            tar.add("a", content: "first")
            tar.add("a", content: "second")
            tar.add("d/", type: "5") { $0.mode = "0000700" }
            tar.add("d/x")
            tar.add("d/", type: "5") { $0.mode = "0000750" }
            tar.add("e/x/y")
            tar.add("e", content: "file now")
            tar.add("f", content: "directory soon")
            tar.add("f/", type: "5")
            tar.add("f/z")
        }
        let root = try space.show([archive])
        #expect(try content(root + "/a") == "second")
        #expect(try FileTree.names(in: root + "/d") == ["x"])
        #expect(try TreeListing(of: root).lines["/d"]?.hasPrefix("40750 ") == true)
        #expect(try content(root + "/e") == "file now")
        #expect(try FileTree.names(in: root + "/f") == ["z"])
    }

    @Test("names lead nowhere but into the image")
    func unsafeNames() throws {
        let archive = TarBytes.archive { tar in
            tar.add("/absolute")
            tar.add("../../up")
            tar.add("./a/./b//../c")
            tar.add("out", type: "2", link: "../../../../../../../../tmp")
            tar.add("root", type: "2", link: "/")
            tar.add("out/inside")
            tar.add("root/../../in-root")
            tar.add("dangling", type: "2", link: "/made/on/demand")
            tar.add("dangling/file")
        }
        let root = try space.show([archive])
        #expect(
            try FileTree.names(in: root) == [
                "a", "absolute", "dangling", "in-root", "made", "out", "root", "tmp", "up",
            ])
        #expect(try FileTree.names(in: root + "/tmp") == ["inside"])
        #expect(try FileTree.names(in: root + "/a") == ["c"])
        #expect(try FileTree.names(in: root + "/made/on/demand") == ["file"])
        #expect(!FileTree.exists("/tmp/inside"))
    }

    @Test("links that lead in a circle, and files used as directories, are refused")
    func impossibleParents() throws {
        for build in [
            { (tar: inout TarBytes) in
                tar.add("a", type: "2", link: "b")
                tar.add("b", type: "2", link: "a")
                tar.add("a/x")
            },
            { tar in
                tar.add("a")
                tar.add("a/x")
            },
            { tar in
                tar.add("l", type: "2", link: "a")
                tar.add("a")
                tar.add("l/x")
            },
        ] {
            let index = try space.layer(TarBytes.archive(build))
            #expect(throws: DiskImageError.self) { try space.image([("layer", index)]) }
        }
    }

    @Test("a directory replaced by a link is followed from then on, and the other way round")
    func replacedParents() throws {
        let archive = TarBytes.archive { tar in
            tar.add("a/x")
            tar.add("a", type: "2", link: "b")
            tar.add("a/y")
            tar.add("a/", type: "5")
            tar.add("a/z")
        }
        let root = try space.show([archive])
        #expect(try FileTree.names(in: root + "/a") == ["z"])
        #expect(try FileTree.names(in: root + "/b") == ["y"])
    }

    @Test("a hard link needs a file that is there", arguments: ["later", "missing", "dir", ".", "file/x"])
    func badHardLinks(target: String) throws {
        #expect(throws: DiskImageError.self) {
            let index = try space.layer(
                TarBytes.archive { tar in
                    tar.add("dir/", type: "5")
                    tar.add("file")
                    tar.add("link", type: "1", link: target)
                    tar.add("later")
                })
            try space.image([("layer", index)])
        }
    }

    @Test("hard links outlive the names they were made from, through layers")
    func hardLinks() throws {
        let lower = TarBytes.archive { tar in
            tar.add("a", content: "shared")
            tar.add("a", type: "1", link: "a")
            tar.add("b", type: "1", link: "./a")
        }
        let upper = TarBytes.archive { tar in
            tar.add("c", type: "1", link: "/b")
            tar.add("a", content: "replaced")
            tar.add("d", type: "1", link: "c")
            tar.add("dir", type: "1", link: "dir/../d")
        }
        let root = try space.show([lower, upper])
        let lines = try TreeListing(of: root).lines
        for name in ["/b", "/c", "/d", "/dir"] {
            // fsck.erofs, which unpacks where nobody may mount, makes copies of hard links.
            #expect(!Workspace.isRoot || lines[name]?.hasSuffix("links=4 group=/b,/c,/d,/dir") == true)
            #expect(try content(root + name) == "shared")
        }
        #expect(try content(root + "/a") == "replaced")
    }

    @Test("an image without layers, and one with an empty layer, has an empty root")
    func empty() throws {
        let none = try TreeListing(of: try space.show([], "none")).lines
        #expect(none.count == 1)
        #expect(none["/"]?.hasPrefix("40755 ") == true)
        #expect(try FileTree.names(in: try space.show([[], TarBytes.archive { _ in }], "some")).isEmpty)
    }

    @Test("the same layers give the same bytes, others another identity")
    func deterministic() throws {
        let archive = TarBytes.archive { tar in for number in 0..<500 { tar.add("d\(number % 7)/f\(number)") } }
        let layer = try space.layer(archive)
        let first = try FileTree.read(try space.image([("layer", layer)], "one"))
        let second = try FileTree.read(try space.image([("layer", layer)], "two"))
        let third = try FileTree.read(try space.image([("layer", layer), ("layer", layer)], "three"))
        #expect(first == second)
        #expect(first[1072..<1088] != third[1072..<1088])
    }

    @Test("directories of every size keep their order")
    func largeDirectories() throws {
        // Around one block, and many blocks, so that every way in which a last block can lie occurs.
        let archive = TarBytes.archive { tar in
            for count in [1, 2, 100, 127, 128, 129, 130, 131, 132, 133, 134, 135, 255, 256, 257, 3000] {
                for number in 0..<count { tar.add("d\(count)/file-number-\(TarBytes.octal(number, 5))") }
            }
            for name in ["!", "+", "-", ".", "..", ".a", ".!", "..!", "~", "\u{7f}", "é"] { tar.add("odd/\(name)x") }
        }
        let root = try space.show([archive])
        for count in [1, 2, 100, 127, 128, 129, 130, 131, 132, 133, 134, 135, 255, 256, 257, 3000] {
            let names = try FileTree.names(in: root + "/d\(count)")
            #expect(names.count == count)
            // Finding each one by name goes through the kernel's binary search.
            #expect(names.allSatisfy { FileTree.exists("\(root)/d\(count)/\($0)") })
            #expect(!FileTree.exists("\(root)/d\(count)/file-number-x"))
        }
        #expect(try FileTree.names(in: root + "/odd").allSatisfy { FileTree.exists("\(root)/odd/\($0)") })
        #expect(try FileTree.names(in: root + "/odd").count == 11)
    }
}
