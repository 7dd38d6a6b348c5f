import FuzzInput
import Glibc
import LinuxSystem
import TreeArchive

/// Unpacks an archive as one from a sandbox is unpacked on the host, in a directory that holds links that lead out. What is
/// outside must stay as it is.
@c(LLVMFuzzerTestOneInput)
public func fuzzTreeExtractor(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let archive = TarBytes.mended(UnsafeBufferPointer(start: bytes, count: count))
    do {
        try room.fill()
        let extractor = TreeExtractor(
            into: try OpenFile.open(Array("\(room.path)/in".utf8), O_RDONLY | O_DIRECTORY),
            .init(changesRoot: true, maximumEntries: 256, maximumBytes: 1 << 20))
        try extractor.write(archive[...])
        try extractor.finish()
    } catch is FileCallError {
    } catch { fatalError("the room of the fuzzer: \(error)") }
    room.check()
    return 0
}

private let room = Room()

/// A directory with one to unpack in and one beside it.
private struct Room: Sendable {
    let path: String

    init() {
        var template = Array("/dev/shm/fuzz-extractor-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no directory in /dev/shm") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        do {
            try FileTree.makeDirectory("\(path)/out")
            try FileTree.writeAtomically(Array("secret".utf8), to: "\(path)/out/file", mode: 0o640)
        } catch { fatalError("\(error)") }
        atexit { room.remove() }
    }

    /// Makes the directory to unpack in anew.
    func fill() throws {
        let here = try OpenFile.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
        if FileTree.exists("\(path)/in") { try TreeRemoval.remove(Array("in".utf8), in: here, recursive: true) }
        try FileTree.makeDirectory("\(path)/in/dir")
        symlink("../out", "\(path)/in/link")
        symlink("../../out/file", "\(path)/in/dir/file")
    }

    func remove() {
        guard let parent = try? OpenFile.open(Array("/dev/shm".utf8), O_RDONLY | O_DIRECTORY) else { return }
        try? TreeRemoval.remove(Array(path.utf8.dropFirst("/dev/shm/".utf8.count)), in: parent, recursive: true)
    }

    func check() {
        do {
            var status = stat()
            guard stat("\(path)/out/file", &status) == 0, stat(path, &status) == 0,
                try FileTree.read("\(path)/out/file") == Array("secret".utf8),
                try FileTree.names(in: path) == ["in", "out"], try FileTree.names(in: "\(path)/out") == ["file"]
            else { fatalError("something outside changed") }
            stat("\(path)/out/file", &status)
            precondition(status.st_mode & 0o7777 == 0o640 && status.st_nlink == 1, "the file outside changed")
        } catch { fatalError("something outside changed: \(error)") }
    }
}
