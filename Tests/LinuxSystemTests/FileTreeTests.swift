import Glibc
import LinuxSystem
import Testing

/// An empty directory that ends with its test.
final class TestFolder {
    let path = "/tmp/sandpiper-folder-\(getpid())-\(UInt32.random(in: .min ... .max))"
    init() throws { try FileTree.makeDirectory(path) }
    deinit { try? FileTree.removeTree(path) }
}

@Suite("Names in the file system") struct FileTreeTests {
    @Test("a directory is made with all those above it, and once more without harm")
    func makeDirectory() throws {
        let folder = try TestFolder()
        try FileTree.makeDirectory(folder.path + "/a/b/c")
        try FileTree.makeDirectory(folder.path + "/a/b/c")
        #expect(try FileTree.names(in: folder.path + "/a/b") == ["c"])
    }

    @Test("a tree is removed without following its links")
    func removeTree() throws {
        let folder = try TestFolder()
        let kept = folder.path + "/kept"
        try FileTree.writeAtomically([1], to: kept)
        try FileTree.makeDirectory(folder.path + "/tree/deep")
        #expect(symlink(folder.path, folder.path + "/tree/deep/link") == 0)
        try FileTree.removeTree(folder.path + "/tree")
        #expect(try FileTree.names(in: folder.path) == ["kept"])
        try FileTree.removeTree(folder.path + "/tree")
    }

    @Test("a file is replaced as a whole, with its new permissions, and no other is left behind")
    func writeAtomically() throws {
        let folder = try TestFolder()
        let path = folder.path + "/file"
        try FileTree.writeAtomically(Array("old and longer".utf8), to: path)
        try FileTree.writeAtomically(Array("new".utf8), to: path, mode: 0o640, durable: true)
        #expect(try FileTree.read(path) == Array("new".utf8))
        #expect(try Descriptor(opening: path).status().st_mode & 0o777 == 0o640)
        #expect(try FileTree.names(in: folder.path) == ["file"])
    }

    @Test("a failed write says what it was to write, and leaves nothing")
    func failedWrite() throws {
        let folder = try TestFolder()
        let error = #expect(throws: SystemError.self) {
            try FileTree.writeAtomically([1], to: folder.path + "/missing/file")
        }
        #expect(error?.description == "write \(folder.path)/missing/file: No such file or directory")
        #expect(try FileTree.names(in: folder.path).isEmpty)
    }

    @Test("a file larger than the reader allows is refused")
    func readLimit() throws {
        let folder = try TestFolder()
        try FileTree.writeAtomically([UInt8](repeating: 1, count: 100), to: folder.path + "/file")
        #expect(try FileTree.read(folder.path + "/file", limit: 100).count == 100)
        let error = #expect(throws: SystemError.self) { try FileTree.read(folder.path + "/file", limit: 99) }
        #expect(error?.number == EFBIG)
    }

    @Test("a lock is held against others until its last reference goes", .timeLimit(.minutes(5)))
    func lock() throws {
        let folder = try TestFolder()
        let path = folder.path + "/lock"
        var held: FileLock? = try FileLock.wait(path)
        #expect(try FileLock.attempt(path) == nil)
        #expect(held != nil)
        held = nil
        // A child that another test is just starting may hold a copy of the descriptor for a moment.
        let shared = try FileLock.wait(path, .shared)
        #expect(try FileLock.attempt(path, .shared) != nil)
        #expect(try FileLock.attempt(path, .exclusive) == nil)
        withExtendedLifetime(shared) {}
    }
}
