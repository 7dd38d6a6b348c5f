import FileProtocol
import Glibc
import Testing

@testable import FileServer

@Suite("Hostile paths and requests")
struct HostilePathTests {
    private let served: ServedTree

    init() throws {
        served = try ServedTree()
        try served.shell("echo secret >outside/secret")
    }

    @Test(
        "no path leads out of the root",
        arguments: ["../outside/secret", "/../../outside/secret", "up/outside/secret", "out", "d/../../outside/secret"])
    func escape(_ path: String) throws {
        symlink("..", "\(served.path)/up")
        symlink("\(served.outside)/secret", "\(served.path)/out")
        mkdir("\(served.path)/d", 0o755)
        #expect(try served.code(.openFile(at(path), offset: 0, length: 10)) == ENOENT)
        #expect(try served.code(.status(at(path), followsLinks: true)) == ENOENT)
        #expect(try served.code(.truncate(at(path), length: 0)) == ENOENT)
        _ = try served.code(.createFile(at(path), WriteOptions(.truncate)))
        _ = try served.code(.makeDirectory(at(path), mode: 0o755, parents: true))
        _ = try served.code(.remove(at(path), recursive: true))
        #expect(ServedTree.text("\(served.outside)/secret") == "secret\n")
        try served.shell("[ \"$(ls outside)\" = secret ]")
    }

    @Test("a magic link of /proc is not followed")
    func magicLink() throws {
        symlink("/proc/self/fd/0", "\(served.path)/magic")
        mkdir("\(served.path)/proc", 0o755)
        #expect(try served.code(.openFile(at("magic"), offset: 0, length: 1)) != 0)
        guard geteuid() == 0 else { return }
        guard mount("/proc", "\(served.path)/proc", nil, UInt(MS_BIND), nil) == 0 else { return }
        defer { umount2("\(served.path)/proc", Int32(MNT_DETACH)) }
        #expect(try served.code(.openDirectory(at("/proc/self/root/tmp"))) == ELOOP)
        #expect(try served.code(.status(at("/proc/self/cwd"), followsLinks: true)) == ELOOP)
    }

    @Test("a link in the way of a tree that is removed or copied is not followed")
    func linkedTree() throws {
        mkdir("\(served.path)/d", 0o755)
        symlink(served.outside, "\(served.path)/d/link")
        try served.ask(.copy(at("d"), to: at("e"), replaces: false))
        #expect(try served.status("e/link").st_mode & S_IFMT == S_IFLNK)
        try served.ask(.remove(at("d"), recursive: true))
        #expect(ServedTree.text("\(served.outside)/secret") == "secret\n")
    }

    @Test("a fifo is neither waited for nor read or written", .timeLimit(.minutes(5)))
    func fifo() throws {
        mkfifo("\(served.path)/fifo", 0o644)
        #expect(try served.code(.openFile(at("fifo"), offset: 0, length: 1)) == EINVAL)
        for disposition in WriteOptions.Disposition.allCases {
            #expect(try served.code(.createFile(at("fifo"), WriteOptions(disposition))) != 0)
        }
        guard case .status(let status) = try served.ask(.status(at("fifo"), followsLinks: true)) else {
            throw ServedTree.Silence()
        }
        #expect(status.kind == .fifo)
    }

    @Test(
        "the root itself, `.` and `..` are not renamed, replaced or removed",
        arguments: ["/", "//", ".", "a/..", "a/."])
    func noName(_ path: String) throws {
        mkdir("\(served.path)/a", 0o755)
        #expect(try served.code(.remove(at(path), recursive: true)) == EBUSY)
        #expect(try served.code(.move(at(path), to: at("b"), replaces: true)) == EBUSY)
        #expect(try served.code(.createFile(at(path), WriteOptions())) == EBUSY)
    }

    @Test("names that are too long and links in circles are refused")
    func names() throws {
        #expect(try served.code(.status(at(String(repeating: "n", count: 256)), followsLinks: true)) == ENAMETOOLONG)
        #expect(
            try served.code(.createFile(at(String(repeating: "n", count: 256)), WriteOptions(.truncate)))
                == ENAMETOOLONG)
        symlink("loop", "\(served.path)/loop")
        #expect(try served.code(.createFile(at("loop"), WriteOptions())) == ELOOP)
        #expect(GuestPath(String(repeating: "a", count: 4096)) == nil)
        #expect(GuestPath("a\0b") == nil && GuestPath("") == nil)
    }

    @Test("a tree deeper than can be walked is refused, and nothing of it is lost track of")
    func deepTree() throws {
        try served.shell("cd root && for i in $(seq 450); do mkdir d && cd d; done")
        #expect(try served.code(.remove(at("d"), recursive: true)) == ELOOP)
        try served.shell("rm -rf root/d")
    }

    @Test("what is not open cannot be read, written, finished or closed")
    func handles() throws {
        try served.make("file", "x")
        let handle = try served.open(.openFile(at("file"), offset: 0, length: 1))
        for request in [
            FileRequest.write(handle, [1]), .finish(handle + 100), .nextEntries(handle), .close(999), .nextEvents(1),
        ] {
            #expect(try served.code(request) == EBADF)
        }
        try served.ask(.close(handle))
        #expect(try served.code(.nextBytes(handle, 1)) == EBADF)
    }

    @Test("not more things are open than are allowed, and the next one may be when one is closed")
    func manyHandles() throws {
        try served.make("file", "x")
        var last: UInt32 = 0
        for _ in 0..<256 { last = try served.open(.openFile(at("file"), offset: 0, length: 1)) }
        #expect(try served.code(.openFile(at("file"), offset: 0, length: 1)) == EMFILE)
        try served.ask(.close(last))
        #expect(try served.code(.openFile(at("file"), offset: 0, length: 1)) == 0)
    }

    @Test(
        "bytes that are no request end the session",
        arguments: [[0, 0, 0, 0], [255, 255, 255, 255], [6, 0, 0, 0, 1, 0, 0, 0, 200, 0]])
    func nonsense(_ bytes: [UInt8]) throws {
        try served.sendRaw(bytes)
        #expect(throws: ServedTree.Silence.self) { try served.response(to: 1) }
    }
}
