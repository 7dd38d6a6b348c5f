import FileProtocol
import Glibc
import Testing

@testable import FileServer

@Suite("What the file server does")
struct OperationTests {
    private let served: ServedTree

    init() throws { served = try ServedTree() }

    @Test("a status says kind, mode, size and times, of a link or of what it leads to")
    func status() throws {
        try served.make("file", "12345", mode: 0o640)
        symlink("file", "\(served.path)/link")
        guard case .status(let file) = try served.ask(.status(at("link"), followsLinks: true)),
            case .status(let link) = try served.ask(.status(at("/link"), followsLinks: false))
        else { throw ServedTree.Silence() }
        let real = try served.status("file")
        #expect(file.kind == .file && file.mode == 0o640 && file.size == 5)
        #expect(file.inode == UInt64(real.st_ino) && file.owner == geteuid())
        #expect(file.modified.seconds == Int64(real.st_mtim.tv_sec))
        #expect(link.kind == .symbolicLink && link.size == 4)
    }

    @Test("a directory of many names is listed in pages, each name once")
    func manyNames() throws {
        mkdir("\(served.path)/many", 0o755)
        try served.shell("cd root/many && seq -f n%06g 1 100000 | xargs touch")
        let handle = try served.open(.openDirectory(at("/many")))
        var names: Set<[UInt8]> = []
        var pages = 0
        while case .entries(let entries) = try served.ask(.nextEntries(handle)), !entries.isEmpty {
            for entry in entries { #expect(names.insert(entry.name).inserted) }
            pages += 1
        }
        #expect(names.count == 100_000)
        #expect(pages >= 50)
    }

    @Test("a file is read in pieces from any offset, no further than asked or than it is long")
    func read() throws {
        try served.make("file", "0123456789")
        func text(_ offset: UInt64, _ length: UInt64) throws -> String {
            String(
                decoding: try served.bytes(of: .openFile(at("file"), offset: offset, length: length), piece: 3),
                as: UTF8.self)
        }
        #expect(try text(0, .max) == "0123456789")
        #expect(try text(4, 3) == "456")
        #expect(try text(8, 100) == "89")
        #expect(try text(100, 1) == "")
        #expect(try served.code(.openFile(at("file"), offset: .max, length: 1)) == EINVAL)
    }

    @Test("a new file has the mode that was asked for, whatever bits it has")
    func newFile() throws {
        try served.write(Array("x".utf8), to: .createFile(at("new"), WriteOptions(.mustNotExist, mode: 0o4755)))
        #expect(try served.status("new").st_mode & 0o7777 == 0o4755)
        #expect(try served.code(.createFile(at("new"), WriteOptions(.mustNotExist))) == EEXIST)
    }

    @Test("writing keeps the file's identity or replaces it, and links lead to what is written")
    func dispositions() throws {
        try served.make("file", "0123456789", mode: 0o600)
        symlink("../root/file", "\(served.path)/link")
        symlink("/file", "\(served.path)/link2")
        let inode = try served.status("file").st_ino
        try served.write(Array("ab".utf8), to: .createFile(at("link2"), WriteOptions(.keep, offset: 4)))
        #expect(served.text("file") == "0123ab6789")
        try served.write(Array("short".utf8), to: .createFile(at("file"), WriteOptions(.truncate)))
        #expect(served.text("file") == "short")
        #expect(try served.status("file").st_ino == inode)
        try served.write(Array("atomic".utf8), to: .createFile(at("link2"), WriteOptions(synchronizes: true)))
        #expect(served.text("file") == "atomic")
        #expect(try served.status("file").st_ino != inode)
        #expect(try served.status("file").st_mode & 0o7777 == 0o600)
        #expect(try served.status("link2").st_mode & S_IFMT == S_IFLNK)
    }

    @Test("whoever reads while a file is replaced sees all of the old or all of the new")
    func atomicReplace() throws {
        let size = 300_000
        try served.write([UInt8](repeating: 0, count: size), to: .createFile(at("file"), WriteOptions()))
        let path = "\(served.path)/file"
        let stop = StopFlag()
        let reader = Outcome()
        try ServedTree.onThread {
            var isWhole = true
            while !stop.isSet {
                let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
                var bytes = [UInt8](repeating: 0, count: size + 1)
                var count = 0
                while case let got = bytes[count...].withUnsafeMutableBytes({
                    Glibc.read(file, $0.baseAddress, $0.count)
                }),
                    got > 0
                { count += got }
                close(file)
                isWhole = isWhole && count == size && bytes[..<size].allSatisfy { $0 == bytes[0] }
            }
            reader.finish(isWhole)
        }
        for value in 1...30 {
            try served.write(
                [UInt8](repeating: UInt8(value), count: size), to: .createFile(at("file"), WriteOptions()))
        }
        stop.set()
        #expect(reader.wait())
    }

    @Test("a replacement that is given up leaves the old file and nothing beside it")
    func abandonedReplace() throws {
        try served.make("file", "old")
        let handle = try served.open(.createFile(at("file"), WriteOptions()))
        try served.ask(.write(handle, Array("new".utf8)))
        try served.ask(.close(handle))
        #expect(served.text("file") == "old")
        let listing = try served.open(.openDirectory(.root))
        guard case .entries(let entries) = try served.ask(.nextEntries(listing)) else { throw ServedTree.Silence() }
        #expect(entries.map(\.name) == [Array("file".utf8)])
    }

    @Test("directories are made with those above them, moved, copied and removed")
    func trees() throws {
        try served.ask(.makeDirectory(at("a/b/c"), mode: 0o750, parents: true))
        try served.ask(.makeDirectory(at("a/b/c"), mode: 0o750, parents: true))
        #expect(try served.code(.makeDirectory(at("a/b/c"), mode: 0o750, parents: false)) == EEXIST)
        #expect(try served.status("a/b").st_mode & 0o7777 == 0o750)
        try served.make("a/b/file", "content")
        link("\(served.path)/a/b/file", "\(served.path)/a/b/c/same")
        symlink("/nowhere", "\(served.path)/a/link")
        mkfifo("\(served.path)/a/fifo", 0o600)
        try served.ask(.copy(at("a"), to: at("copy"), replaces: false))
        #expect(served.text("copy/b/file") == "content")
        #expect(try served.status("copy/b/file").st_ino == served.status("copy/b/c/same").st_ino)
        #expect(try served.status("copy/b/file").st_ino != served.status("a/b/file").st_ino)
        #expect(try served.status("copy/fifo").st_mode & S_IFMT == S_IFIFO)
        #expect(try served.status("copy/b").st_mode & 0o7777 == 0o750)
        #expect(try served.status("copy/b/file").st_mtim.tv_nsec == served.status("a/b/file").st_mtim.tv_nsec)
        #expect(try served.code(.copy(at("a"), to: at("copy"), replaces: true)) == EEXIST)
        #expect(try served.code(.copy(at("a"), to: at("a/b/self"), replaces: false)) == EINVAL)
        try served.ask(.move(at("copy"), to: at("moved"), replaces: false))
        #expect(try served.code(.move(at("a/b/file"), to: at("a/b/c/same"), replaces: false)) == EEXIST)
        #expect(try served.code(.remove(at("moved"), recursive: false)) == ENOTEMPTY)
        try served.ask(.remove(at("moved"), recursive: true))
        #expect(try served.code(.status(at("moved"), followsLinks: false)) == ENOENT)
        #expect(try served.code(.remove(at("moved"), recursive: true)) == ENOENT)
    }

    @Test("holes of a file stay holes in its copy")
    func sparseCopy() throws {
        try served.shell(
            "truncate -s 64M root/sparse && printf end | dd of=root/sparse bs=1 seek=33554432 conv=notrunc")
        try served.ask(.copy(at("sparse"), to: at("copy"), replaces: false))
        let (original, copy) = (try served.status("sparse"), try served.status("copy"))
        #expect(copy.st_size == original.st_size && copy.st_blocks <= original.st_blocks + 8)
        try served.shell("cmp root/sparse root/copy")
    }

    @Test("modes, owners, times, links and lengths are changed")
    func attributes() throws {
        try served.make("file", "12345")
        try served.ask(.setMode(at("file"), 0o2604))
        try served.ask(
            .setTimes(at("file"), accessed: nil, modified: FileTime(seconds: -5, nanoseconds: 7), followsLinks: true))
        try served.ask(.truncate(at("file"), length: 3))
        try served.ask(.truncate(at("file"), length: 4))
        #expect(served.text("file") == "123\0")
        try served.ask(.setTimes(at("file"), accessed: nil, modified: FileTime(seconds: 99), followsLinks: true))
        let status = try served.status("file")
        #expect(status.st_mode & 0o7777 == 0o2604 && status.st_mtim.tv_sec == 99)
        try served.ask(.link(at("file"), newPath: at("hard")))
        try served.ask(.symbolicLink(target: Array("/any/where".utf8), at("soft")))
        #expect(try served.status("hard").st_ino == status.st_ino)
        #expect(try served.ask(.readLink(at("soft"))) == .bytes(Array("/any/where".utf8)))
        #expect(try served.code(.readLink(at("file"))) == EINVAL)
        #expect(try served.code(.setOwner(at("file"), owner: "nobody-here", group: "", followsLinks: true)) == EINVAL)
        guard geteuid() == 0 else { return }
        try served.ask(.setOwner(at("soft"), owner: "7", group: "staff", followsLinks: false))
        #expect(try served.status("soft").st_uid == 7 && served.status("soft").st_gid == 50)
    }

    @Test("extended attributes are set, listed, read and removed")
    func extendedAttributes() throws {
        try served.make("file")
        let name = Array("user.color".utf8)
        let value = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
        let path = at("file")
        try served.ask(.setAttribute(path, name: name, value: value, .create, followsLinks: true))
        #expect(try served.code(.setAttribute(path, name: name, value: [], .create, followsLinks: true)) == EEXIST)
        #expect(try served.ask(.attribute(path, name: name, followsLinks: true)) == .bytes(value))
        #expect(try served.ask(.attributeNames(path, followsLinks: true)) == .names([name]))
        try served.ask(.copy(path, to: at("copy"), replaces: false))
        #expect(try served.ask(.attribute(at("copy"), name: name, followsLinks: true)) == .bytes(value))
        try served.ask(.removeAttribute(path, name: name, followsLinks: true))
        #expect(try served.code(.attribute(path, name: name, followsLinks: true)) == ENODATA)
    }

    @Test("a file system says its size and what is free")
    func fileSystem() throws {
        guard case .fileSystem(let status) = try served.ask(.fileSystem(.root)) else { throw ServedTree.Silence() }
        #expect(status.size > status.free && status.free >= status.available && status.available > 0)
        #expect(!status.isReadOnly)
    }
}

/// A flag that one thread sets and another reads.
final class StopFlag: @unchecked Sendable {
    // Unchecked: guarded by the mutex.
    private var mutex = pthread_mutex_t()
    private var value = false

    var isSet: Bool {
        pthread_mutex_lock(&mutex)
        defer { pthread_mutex_unlock(&mutex) }
        return value
    }

    func set() {
        pthread_mutex_lock(&mutex)
        value = true
        pthread_mutex_unlock(&mutex)
    }
}

/// What a thread found out, for another that waits for it.
final class Outcome: @unchecked Sendable {
    // Unchecked: the pipe orders the write before the read.
    private var ends: [Int32] = [-1, -1]
    private var value = false

    init() {
        pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }
    deinit { for end in ends { close(end) } }

    func finish(_ value: Bool) {
        self.value = value
        _ = write(ends[1], "x", 1)
    }

    func wait() -> Bool {
        var byte: UInt8 = 0
        return read(ends[0], &byte, 1) == 1 && value
    }
}
