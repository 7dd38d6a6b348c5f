import FileProtocol

/// What a client and the file server of a sandbox say to each other: requests and responses of every shape.
enum FileConversation {
    /// The encoded frames.
    static func frames() throws -> [(String, [UInt8])] {
        let path = GuestPath("/etc/hosts") ?? .root
        let requests: [(String, FileRequest)] = [
            ("status", .status(path, followsLinks: true)), ("next-entries", .nextEntries(1)),
            ("open", .openFile(path, offset: 0, length: 4096)), ("next", .nextBytes(1, 4096)),
            ("archive", .openArchive(path, name: [46], followsLinks: false)),
            ("create", .createFile(path, WriteOptions(.keep, offset: 9))), ("write", .write(1, Array("text".utf8))),
            ("extract", .extractArchive(path, ExtractOptions())), ("move", .move(path, to: .root, replaces: true)),
            ("directory", .makeDirectory(path, mode: 0o755, parents: true)),
            ("owner", .setOwner(path, owner: "nobody", group: "50", followsLinks: true)),
            (
                "times",
                .setTimes(path, accessed: nil, modified: FileTime(seconds: 1, nanoseconds: 2), followsLinks: true)
            ),
            ("attribute", .setAttribute(path, name: Array("user.a".utf8), value: [1], .create, followsLinks: true)),
            ("watch", .watch(path, recursive: true)), ("events", .nextEvents(1)),
        ]
        let status = FileStatus(kind: .file, mode: 0o644, size: 12)
        let responses: [(String, FileResponse)] = [
            ("done", .done), ("status", .status(status)),
            (
                "entries",
                .entries([DirectoryEntry(name: [97], status: status), DirectoryEntry(name: [98], status: status)])
            ),
            ("bytes", .bytes(Array("text".utf8))), ("names", .names([Array("user.a".utf8)])),
            ("failed", .failed(FileFailure(code: 2, message: "cannot find it"))),
            ("events", .events([.created([97]), .moved(from: [97], to: [98]), .removed([98]), .overflow, .ended])),
        ]
        return try requests.map { ("request-\($0)", try FileFrame(id: 1, payload: $1.payload).encoded()) }
            + responses.map { ("response-\($0)", try FileFrame(id: 1, payload: $1.payload).encoded()) }
    }
}
