import Glibc
import Testing

@testable import DiskImage

@Suite("An image, mounted by the kernel", .enabled(if: Workspace.isRoot, "only root can mount"))
struct MountedImageTests {
    @Test("shows what the archive holds")
    func simple() throws {
        let space = try Workspace()
        let archive = TarBytes.archive { tar in
            tar.add("dir/", type: "5") { $0.mode = "0001777" }
            tar.add("dir/hello", content: "hello, world\n") { $0.mode = "0004755" }
            tar.add("dir/link", type: "2", link: "hello")
            tar.add("dir/hard", type: "1", link: "dir/hello")
        }
        let image = try space.image([("layer", try space.layer(archive))])
        try space.run("fsck.erofs", image)
        let root = try space.mount(image)
        print(try TreeListing(of: root).lines.sorted(by: <).map { "\($0) \($1)" }.joined(separator: "\n"))
    }
}
