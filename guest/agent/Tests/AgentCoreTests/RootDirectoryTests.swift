import Glibc
import Testing

@testable import AgentCore

@Suite("Reading and writing in a hostile root")
final class RootDirectoryTests {
    private let path: String
    private let root: RootDirectory

    init() throws {
        var template = Array("/tmp/agent-root-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap(mkdtemp).map { String(cString: $0) } ?? ""
        }
        try #require(!path.isEmpty)
        root = RootDirectory(try Descriptor.open(path, O_PATH | O_DIRECTORY))
    }

    deinit {
        // The names below are all that the tests make.
        for name in ["etc/hosts", "etc/fifo", "etc/link", "etc/big", "etc/dir", "etc", "a/b", "a", "loop", "proc"] {
            unlink("\(path)/\(name)")
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }

    private func write(_ name: String, _ text: String) throws {
        let file = Descriptor(
            try AgentError.check("make a file") { open("\(path)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644) })
        try file.writeAll(Array(text.utf8), to: name)
    }

    @Test("a symbolic link leads to what it means inside the root, not outside")
    func linkStaysInside() throws {
        mkdir("\(path)/etc", 0o755)
        symlink("/etc/passwd", "\(path)/etc/link")
        #expect(try root.contents(of: "/etc/link", upTo: 100) == nil)
        try write("etc/hosts", "mine")
        unlink("\(path)/etc/link")
        symlink("../../../../etc/hosts", "\(path)/etc/link")
        #expect(try root.contents(of: "/etc/link", upTo: 100) == Array("mine".utf8))
    }

    @Test("a fifo is not waited for and not read")
    func fifo() throws {
        mkdir("\(path)/etc", 0o755)
        mkfifo("\(path)/etc/fifo", 0o644)
        #expect(try root.contents(of: "/etc/fifo", upTo: 100) == nil)
    }

    @Test("a file longer than the limit is as good as none")
    func tooLong() throws {
        mkdir("\(path)/etc", 0o755)
        try write("etc/big", "12345")
        #expect(try root.contents(of: "/etc/big", upTo: 5)?.count == 5)
        #expect(try root.contents(of: "/etc/big", upTo: 4) == nil)
    }

    @Test("a file is put in the place of a link, a fifo or an empty directory", arguments: ["link", "fifo", "dir"])
    func replace(_ kind: String) throws {
        let etc = try root.systemDirectory("etc")
        switch kind {
        case "link": symlink("/etc/shadow", "\(path)/etc/hosts")
        case "fifo": mkfifo("\(path)/etc/hosts", 0o644)
        default: mkdir("\(path)/etc/hosts", 0o755)
        }
        try root.replaceFile("hosts", in: etc, with: "new")
        #expect(try root.contents(of: "/etc/hosts", upTo: 10) == Array("new".utf8))
    }

    @Test("a directory of the system replaces a link of its name")
    func systemDirectory() throws {
        symlink("/", "\(path)/proc")
        _ = try root.systemDirectory("proc", mode: 0o555)
        var status = stat()
        #expect(lstat("\(path)/proc", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR)
    }

    @Test("missing directories are made below links that stay inside, and a loop is an error")
    func makeDirectories() throws {
        _ = try root.makeDirectories("/a/./b")
        var status = stat()
        #expect(stat("\(path)/a/b", &status) == 0)
        symlink("loop", "\(path)/loop")
        #expect(throws: AgentError.self) { try self.root.makeDirectories("/loop/x") }
    }
}
