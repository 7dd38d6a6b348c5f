import Glibc
import LinuxSystem
import Testing

@testable import DiskImage

/// The disk is the lower side of an overlayfs in the guest. What a layer holds is data there, never an order.
@Suite("Under an overlay", .enabled(if: Workspace.isRoot, "only root can mount"))
struct OverlayTests {
    @Test("overlayfs' own attributes are shown and not obeyed")
    func attributes() throws {
        let space = try Workspace()
        let archive = TarBytes.archive { tar in
            tar.addPax([("SCHILY.xattr.trusted.overlay.opaque", "y"), ("SCHILY.xattr.user.plain", "1")])
            tar.add("dir/", type: "5")
            tar.add("dir/file", content: "here")
            tar.addPax([("SCHILY.xattr.trusted.overlay.whiteout", "y"), ("SCHILY.xattr.trusted.overlay.metacopy", "")])
            tar.add("dir/hidden", content: "not hidden")
            tar.addPax([("SCHILY.xattr.trusted.overlay.redirect", "/secret")])
            tar.add("redirected/", type: "5")
            tar.addPax([("SCHILY.xattr.trusted.overlay.overlay.opaque", "x")])
            tar.add("nested/", type: "5")
            tar.add("secret/key", content: "x")
            tar.addPax([("SCHILY.xattr.trusted.overlay." + String(repeating: "x", count: 239), "y")])
            tar.add("long")
        }
        let merged = try space.overlay(try space.show([archive]))
        let lines = try TreeListing(of: merged).lines
        #expect(lines["/dir"]?.contains("trusted.overlay.opaque=0x79") == true)
        #expect(lines["/dir"]?.contains("user.plain=0x31") == true)
        #expect(lines["/dir/file"] != nil)
        #expect(lines["/dir/hidden"]?.contains("trusted.overlay.whiteout=0x79") == true)
        #expect(try FileTree.read(merged + "/dir/hidden") == Array("not hidden".utf8))
        #expect(try FileTree.names(in: merged + "/redirected").isEmpty)
        #expect(lines["/nested"]?.contains("trusted.overlay.overlay.opaque=0x78") == true)
        #expect(lines["/long"]?.contains("trusted") == false)
        // The directory can be changed, and stays what it is.
        try FileTree.writeAtomically([1], to: merged + "/dir/new")
        #expect(try FileTree.names(in: merged + "/dir") == ["file", "hidden", "new"])
    }

    @Test("a character device 0:0 replaces a file, and is left out")
    func whiteoutDevices() throws {
        let space = try Workspace()
        let lower = TarBytes.archive { tar in
            tar.add("a")
            tar.add("b")
            tar.add("d/x")
        }
        let upper = TarBytes.archive { tar in
            tar.add("a", type: "3")
            tar.add("hard", type: "1", link: "a")
            tar.add("d", type: "3")
            tar.add("block", type: "4")
            tar.add("other", type: "3") { $0.minor = "0000001" }
        }
        let root = try space.show([lower, upper])
        #expect(try FileTree.names(in: root) == ["b", "block", "other"])
        #expect(try FileTree.names(in: try space.overlay(root)) == ["b", "block", "other"])
    }

    @Test("files are copied up with all they have, hard links together")
    func copyUp() throws {
        let space = try Workspace()
        let archive = TarBytes.archive { tar in
            tar.addPax([("SCHILY.xattr.user.a", "1"), ("mtime", "1000000000.25")])
            tar.add("file", content: "old")
            tar.add("hard", type: "1", link: "file")
        }
        let merged = try space.overlay(try space.show([archive]))
        try space.run("bash", "-c", "echo more >> \(merged)/file")
        #expect(try FileTree.read(merged + "/hard") == Array("oldmore\n".utf8))
        #expect(try TreeListing(of: merged).lines["/hard"]?.contains("user.a=0x31") == true)
    }
}
