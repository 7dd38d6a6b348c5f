import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import MountServer

@Suite("State that goes from one server to the next")
struct SavedStateTests {
    @Test("nodes and open files go on, and what is another file fails")
    func goesOn() throws {
        let directory = try TestDirectory()
        try FileTree.makeDirectory("\(directory.path)/d/e")
        for name in ["d/e/f", "moved", "replaced", "gone"] { try directory.write(name, "content of \(name)") }
        let guest = try TestGuest(directory)
        let file = try guest.lookUp("f", in: try guest.lookUp("e", in: try guest.lookUp("d")))
        let handle = try guest.open(file, O_RDWR)
        let names = ["moved", "replaced", "gone"]
        let nodes = try names.map { try guest.lookUp($0) }
        let handles = try nodes.map { try guest.open($0) }
        let list: UInt64 = try guest.request(.openDirectory, 1, TestGuest.zeros(8)).number(at: 0)
        try FileTree.rename("\(directory.path)/moved", to: "\(directory.path)/d/moved")
        try directory.write("replaced", "another")
        try FileTree.removeFile("\(directory.path)/gone")

        let next = try guest.successor()
        #expect(try next.read(handle, node: file).body == Array("content of d/e/f".utf8))
        #expect(try next.write(handle, node: file, "CONTENT").error == 0)
        #expect(try directory.text("d/e/f") == "CONTENT of d/e/f")
        for (node, handle) in zip(nodes, handles) {
            #expect(try next.read(handle, node: node).error == ESTALE)
            #expect(try next.request(.getAttributes, node, TestGuest.zeros(16)).error == ESTALE)
        }
        let body = TestGuest.bytes(list, UInt64(0), UInt32(4096), UInt32(0), UInt64(0), UInt32(0), UInt32(0))
        #expect(try next.request(.readDirectory, 1, body).body.count > 100)
        // Known again by the new name, and numbers go on.
        #expect(try next.lookUp("moved", in: try next.lookUp("d")) == nodes[0])
        #expect(try next.read(handles[0], node: nodes[0]).body == Array("content of moved".utf8))
        #expect(try next.lookUp("replaced") > list)
        #expect(try next.open(file) > list)
    }

    @Test("a state is what was encoded")
    func roundTrip() throws {
        let root = FileIdentity(device: 5, inode: 2, bornSeconds: -1, bornNanoseconds: 9)
        var state = SavedState(root: root, kind: FileKind.directory)
        state.negotiated = .init(minor: 38, features: 0xdead_beef_0000_0001)
        state.nextNode = 100
        state.nextHandle = 50
        state.nodes = [
            .init(
                id: 7, kind: FileKind.file, mayBeCached: true,
                identity: FileIdentity(device: 5, inode: 77, bornSeconds: 8, bornNanoseconds: 1), lookups: 3,
                links: [.init(parent: 1, name: Array("a".utf8)), .init(parent: 1, name: [0xff])]),
            .init(
                id: 9, kind: FileKind.directory, mayBeCached: false,
                identity: FileIdentity(device: 6, inode: 77, bornSeconds: 8, bornNanoseconds: 1), lookups: 0,
                links: [.init(parent: 1, name: Array("b".utf8))]),
        ]
        state.handles = [.init(id: 4, node: 7, access: O_RDWR)]
        state.unreadInput = [1, 2, 3]
        state.unsentOutput = [4, 5]
        let bytes = state.encoded()
        #expect(try bytes.withUnsafeBytes { try SavedState($0, rootDevice: 5) } == state)
        // After the host has booted: its device has another number, others have theirs.
        let moved = try bytes.withUnsafeBytes { try SavedState($0, rootDevice: 12) }
        #expect(moved.nodes.map(\.identity.device) == [12, 6])
        for count in 0..<bytes.count {
            #expect(throws: SavedState.Invalid.self) {
                try bytes.prefix(count).withUnsafeBytes { try SavedState($0, rootDevice: 5) }
            }
        }
    }

    @Test("a state that cannot be is refused, with the reason")
    func refused() throws {
        let directory = try TestDirectory()
        try FileTree.makeDirectory("\(directory.path)/d")
        try directory.write("d/f", "x")
        let guest = try TestGuest(directory)
        let d = try guest.lookUp("d")
        let file = try guest.lookUp("f", in: d)
        _ = try guest.open(file)
        func refuses(_ change: (inout SavedState) throws -> Void) throws {
            #expect(throws: SavedState.Invalid.self) {
                _ = try guest.successor { state in try? change(&state) }
            }
        }
        func index(_ state: SavedState, _ id: UInt64) throws -> Int {
            try #require(state.nodes.firstIndex { $0.id == id })
        }
        _ = try guest.successor()
        try refuses { $0.nodes[try index($0, d)].links[0].parent = file }
        try refuses { $0.nodes[try index($0, d)].links[0].parent = d }
        try refuses { $0.nodes[try index($0, file)].links[0].parent = 99 }
        try refuses { $0.nodes[try index($0, d)].kind = FileKind.file }
        try refuses { $0.nodes[try index($0, d)].id = file }
        try refuses { $0.nodes[try index($0, d)].id = 1 }
        try refuses { $0.nodes[try index($0, d)].links = [] }
        for name in ["", ".", "..", "a/b", "a\u{0}"] {
            try refuses { $0.nodes[try index($0, file)].links[0].name = Array(name.utf8) }
        }
        try refuses { $0.handles[0].node = 99 }
        try refuses { $0.handles[0].access = 3 }
        try refuses { $0.nextHandle = 0 }
        try refuses { $0.nextNode = .max }
        try refuses { $0.rootKind = FileKind.file }
    }

    @Test("names in a state lead no further than the guest's")
    func hostileNames() throws {
        let outside = try TestDirectory()
        try outside.write("f", "secret")
        var status = linux_file_status()
        #expect(linux_file_status_at(AT_FDCWD, "\(outside.path)/f", &status) == 0)
        let directory = try TestDirectory()
        try FileTree.makeDirectory("\(directory.path)/d")
        #expect(symlink(outside.path, "\(directory.path)/l") == 0)
        try directory.write("d/f", "x")
        let guest = try TestGuest(directory)
        let d = try guest.lookUp("d")
        let file = try guest.lookUp("f", in: d)
        let handle = try guest.open(file)
        // It claims that the link is a directory, and knows the identity of a file outside.
        let next = try guest.successor { state in
            for index in state.nodes.indices {
                if state.nodes[index].id == d { state.nodes[index].links[0].name = Array("l".utf8) }
                if state.nodes[index].id == file { state.nodes[index].identity = FileIdentity(status) }
            }
        }
        #expect(try next.read(handle, node: file).error == ESTALE)
        #expect(try next.request(.open, file, TestGuest.bytes(O_RDONLY, UInt32(0))).error == ESTALE)
    }

    @Test("the guest is told what it should ask for again")
    func invalidation() throws {
        let directory = try TestDirectory()
        try directory.write("f", "x")
        let guest = try TestGuest(directory)
        let node = try guest.lookUp("f")
        let state = guest.service.savedState()
        let next = try TestGuest(directory, initializes: false)
        try next.service.restore(state)
        let pending = Array(next.out.pending)
        #expect(pending.count == 80)
        let message = TestGuest.Reply(error: 0, body: Array(pending.suffix(40)))
        #expect(try message.number(at: 0, UInt32.self) == 40)
        #expect(try message.number(at: 4, Int32.self) == 2, "FUSE_NOTIFY_INVAL_INODE")
        #expect(try message.number(at: 8, UInt64.self) == 0)
        #expect(try message.number(at: 16, UInt64.self) == node)
        #expect(try message.number(at: 24, Int64.self) < 0, "attributes only")
    }
}
