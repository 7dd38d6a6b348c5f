import Glibc
import LinuxSystem
import Testing

@testable import MountServer

@Suite("Serving files")
struct ServiceTests {
    @Test("a node is one file, whatever takes its name")
    func identity() throws {
        let directory = try TestDirectory()
        try directory.write("f", "first")
        let guest = try TestGuest(directory)
        let node = try guest.lookUp("f")
        let handle = try guest.open(node)
        try directory.write("f", "second")
        // What is open stays what it was.
        #expect(try guest.read(handle, node: node).body == Array("first".utf8))
        _ = try guest.request(.release, node, TestGuest.bytes(handle, UInt64(0), UInt64(0)))
        #expect(try guest.request(.getAttributes, node, TestGuest.zeros(16)).error == ESTALE)
        #expect(try guest.request(.open, node, TestGuest.bytes(O_RDONLY, UInt32(0))).error == ESTALE)
        #expect(try guest.request(.setAttributes, node, truncation).error == ESTALE)
        #expect(try directory.text("f") == "second")
        let next = try guest.lookUp("f")
        #expect(next != node)
        #expect(try guest.read(try guest.open(next), node: next).body == Array("second".utf8))
    }

    /// A request to set the size to 0.
    private var truncation: [UInt8] {
        TestGuest.bytes(UInt32(1 << 3), UInt32(0), UInt64(0), UInt64(0)) + TestGuest.zeros(64)
    }

    @Test("hard links are one node, which is found by any of its names")
    func hardLinks() throws {
        let directory = try TestDirectory()
        try directory.write("a", "x")
        #expect(link("\(directory.path)/a", "\(directory.path)/b") == 0)
        let guest = try TestGuest(directory)
        let node = try guest.lookUp("a")
        #expect(try guest.lookUp("b") == node)
        #expect(unlink("\(directory.path)/b") == 0)
        #expect(try guest.request(.getAttributes, node, TestGuest.zeros(16)).error == 0)
        #expect(try guest.read(try guest.open(node), node: node).body == Array("x".utf8))
    }

    @Test("a link is never followed")
    func links() throws {
        let outside = try TestDirectory()
        try outside.write("f", "secret")
        let directory = try TestDirectory()
        #expect(symlink(outside.path, "\(directory.path)/d") == 0)
        #expect(symlink("\(outside.path)/f", "\(directory.path)/f") == 0)
        let guest = try TestGuest(directory)
        for name in ["d", "f"] {
            let node = try guest.lookUp(name)
            #expect(try guest.request(.open, node, TestGuest.bytes(O_RDONLY, UInt32(0))).error != 0)
            #expect(try guest.request(.openDirectory, node, TestGuest.zeros(8)).error == ENOTDIR)
            #expect(try guest.request(.lookup, node, TestGuest.text("f")).error == ENOTDIR)
            #expect(try guest.request(.setAttributes, node, truncation).error != 0)
        }
        #expect(try guest.request(.readLink, try guest.lookUp("d")).body == Array(outside.path.utf8))
        let create = TestGuest.bytes(O_RDWR | O_TRUNC, UInt32(0o644), TestGuest.umask, UInt32(0)) + TestGuest.text("f")
        #expect(try guest.request(.create, 1, create).error == ELOOP)
        #expect(try outside.text("f") == "secret")
    }

    @Test("a directory that became a link leads nowhere")
    func replacedDirectory() throws {
        let outside = try TestDirectory()
        try outside.write("f", "secret")
        let directory = try TestDirectory()
        try FileTree.makeDirectory("\(directory.path)/d/e")
        try directory.write("d/e/f", "inside")
        // So few descriptors that directories are looked up again all the time.
        let guest = try TestGuest(directory, mostOpen: 1)
        let d = try guest.lookUp("d")
        let e = try guest.lookUp("e", in: d)
        let file = try guest.lookUp("f", in: e)
        for n in 0..<20 {
            try FileTree.makeDirectory("\(directory.path)/other\(n)/x")
            _ = try guest.lookUp("x", in: try guest.lookUp("other\(n)"))
        }
        try FileTree.rename("\(directory.path)/d/e", to: "\(directory.path)/away")
        #expect(symlink(outside.path, "\(directory.path)/d/e") == 0)
        #expect(try guest.request(.lookup, e, TestGuest.text("f")).error == ESTALE)
        #expect(try guest.request(.open, file, TestGuest.bytes(O_RDWR, UInt32(0))).error == ESTALE)
        #expect(try guest.request(.unlink, e, TestGuest.text("f")).error == ESTALE)
        #expect(try outside.text("f") == "secret")
    }

    @Test("devices and set-id bits are never made")
    func devices() throws {
        let directory = try TestDirectory()
        let guest = try TestGuest(directory)
        for mode in [0o020666, 0o060666, 0o040755, 0o120777] as [UInt32] {
            let body = TestGuest.bytes(mode, UInt32(0x103), TestGuest.umask, UInt32(0)) + TestGuest.text("n")
            #expect(try guest.request(.makeNode, 1, body).error == EPERM)
        }
        let create = TestGuest.bytes(O_RDWR, UInt32(0o6755), TestGuest.umask, UInt32(0)) + TestGuest.text("f")
        let reply = try guest.request(.create, 1, create)
        #expect(reply.error == 0 && reply.body.count == 144)
        let mode = TestGuest.bytes(UInt32(1), UInt32(0)) + TestGuest.zeros(60) + TestGuest.bytes(UInt32(0o6755))
        #expect(try guest.request(.setAttributes, try reply.number(at: 0), mode + TestGuest.zeros(16)).error == 0)
        var status = stat()
        #expect(stat("\(directory.path)/f", &status) == 0 && status.st_mode & 0o6000 == 0)
    }

    @Test("nodes are forgotten when the guest forgets them, and not more often than it knew them")
    func forgetting() throws {
        let directory = try TestDirectory()
        try FileTree.makeDirectory("\(directory.path)/d")
        try directory.write("d/f", "x")
        let guest = try TestGuest(directory)
        let d = try guest.lookUp("d")
        let file = try guest.lookUp("f", in: d)
        _ = try guest.lookUp("f", in: d)
        #expect(guest.service.tree.nodes.nodes.count == 3)
        // The directory stays as long as a file in it is known.
        #expect(try guest.exchange(2, d, TestGuest.bytes(UInt64.max)) == nil)
        #expect(guest.service.tree.nodes.nodes.count == 3)
        #expect(try guest.exchange(2, file, TestGuest.bytes(UInt64(1))) == nil)
        #expect(try guest.request(.getAttributes, file, TestGuest.zeros(16)).error == 0)
        #expect(
            try guest.exchange(42, 0, TestGuest.bytes(UInt32(3), UInt32(0), file, UInt64(9), UInt64(1), UInt64(9)))
                == nil)
        #expect(guest.service.tree.nodes.nodes.count == 1)
        #expect(try guest.request(.getAttributes, file, TestGuest.zeros(16)).error == ESTALE)
        #expect(try guest.request(.getAttributes, 1, TestGuest.zeros(16)).error == 0)
        #expect(try guest.lookUp("d") > file, "numbers are not given twice")
    }

    @Test("handles are only what was opened")
    func handles() throws {
        let directory = try TestDirectory()
        try directory.write("f", "x")
        let guest = try TestGuest(directory, mostOpen: 40)
        let node = try guest.lookUp("f")
        #expect(try guest.read(77, node: node).error == EBADF)
        let handle = try guest.open(node)
        #expect(try guest.write(handle, node: node, "y").error == EBADF)
        #expect(try guest.read(handle, node: node, offset: .max).error == EINVAL)
        #expect(try guest.read(handle, node: node, offset: UInt64(Int64.max), size: .max).error != ENOSYS)
        var last: Int32 = 0
        for _ in 0..<100 where last == 0 {
            last = try guest.request(.open, node, TestGuest.bytes(O_RDONLY, UInt32(0))).error
        }
        #expect(last == ENFILE)
    }

    @Test("who else owns a file is nobody, and files can be given to whom they belong")
    func owners() throws {
        var options = MountOptions()
        options.hostUser = 1000
        options.hostGroup = 1001
        options.guestUser = 7
        options.guestGroup = 8
        let map = OwnerMap(options, servesAsRoot: false)
        #expect(map.guestUser(of: 1000) == 7 && map.guestGroup(of: 1001) == 8)
        #expect(map.guestUser(of: 0) == 65_534 && map.guestGroup(of: 5) == 65_534)
        #expect(try map.hostUser(of: 7) == 1000 && map.hostGroup(of: 8) == 1001)
        #expect(throws: ErrorNumber(EPERM)) { try map.hostUser(of: 0) }
        let root = OwnerMap(options, servesAsRoot: true)
        #expect(try root.guestUser(of: 55) == 55 && root.hostUser(of: 55) == 55 && root.hostUser(of: 7) == 1000)

        let directory = try TestDirectory()
        try directory.write("f", "x")
        let guest = try TestGuest(directory)
        let node = try guest.lookUp("f")
        let toRoot = TestGuest.bytes(UInt32(0b110), UInt32(0)) + TestGuest.zeros(80)
        #expect(try guest.request(.setAttributes, node, toRoot).error == 0)
        let away = toRoot.dropLast(12) + TestGuest.bytes(UInt32(4242), UInt32(4242), UInt32(0))
        #expect(try guest.request(.setAttributes, node, Array(away)).error == (geteuid() == 0 ? 0 : EPERM))
    }

    @Test(
        "only attributes of users are the guest's",
        arguments: ["security.capability", "trusted.x", "system.posix_acl_access", "user"])
    func extendedAttributes(_ name: String) throws {
        let guest = try TestGuest(try TestDirectory())
        let text = TestGuest.text(name)
        #expect(
            try guest.request(.getExtendedAttribute, 1, TestGuest.bytes(UInt32(0), UInt32(0)) + text).error
                == EOPNOTSUPP)
        #expect(
            try guest.request(.setExtendedAttribute, 1, TestGuest.bytes(UInt32(1), UInt32(0)) + text + [1]).error
                == EOPNOTSUPP)
        #expect(try guest.request(.removeExtendedAttribute, 1, text).error == EOPNOTSUPP)
    }

    @Test("a list goes on where it was, while entries come and go")
    func listing() throws {
        let directory = try TestDirectory()
        for n in 0..<500 { try directory.write("kept-\(n)", "") }
        let guest = try TestGuest(directory)
        let handle: UInt64 = try guest.request(.openDirectory, 1, TestGuest.zeros(8)).number(at: 0)
        var names: [String] = []
        var offset: UInt64 = 0
        while true {
            let body = TestGuest.bytes(handle, offset, UInt32(700), UInt32(0), UInt64(0), UInt32(0), UInt32(0))
            let reply = try guest.request(.readDirectory, 1, body)
            #expect(reply.error == 0 && reply.body.count <= 700)
            if reply.body.isEmpty { break }
            var position = 0
            while position < reply.body.count {
                offset = try reply.number(at: position + 8)
                let length = Int(try reply.number(at: position + 16, UInt32.self))
                names.append(String(decoding: reply.body[position + 24..<position + 24 + length], as: UTF8.self))
                position += (24 + length + 7) & ~7
            }
            try directory.write("new-\(names.count)", "")
            try FileTree.removeFile("\(directory.path)/new-\(names.count / 2)")
        }
        let kept = names.filter { $0.hasPrefix("kept") }
        #expect(kept.count == 500 && Set(kept).count == 500)
    }
}
