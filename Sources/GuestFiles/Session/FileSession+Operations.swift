import FileProtocol

/// What a client can do with the files of a sandbox. Every method throws ``GuestFilesError`` (with the sandbox's errno where
/// the sandbox could not do it), or `CancellationError`.
extension FileSession {
    /// What is at a path; with `followsLinks` what a link leads to.
    public func status(_ path: GuestPath, followsLinks: Bool = true) async throws -> FileStatus {
        guard case .status(let status) = try await call(.status(path, followsLinks: followsLinks)) else {
            throw unexpected()
        }
        return status
    }

    /// Whether there is something at a path, links followed.
    public func exists(_ path: GuestPath) async throws -> Bool {
        do { _ = try await status(path) } catch GuestFilesError.failed(let code, _) where code == 2 || code == 20 {
            return false
        }
        return true
    }

    /// What is known of the file system that a path is on.
    public func fileSystem(of path: GuestPath) async throws -> FileSystemStatus {
        guard case .fileSystem(let status) = try await call(.fileSystem(path)) else { throw unexpected() }
        return status
    }

    /// The entries of a directory, fetched as they are asked for, in the order of the file system.
    public nonisolated func entries(of path: GuestPath) -> DirectoryContents {
        DirectoryContents(session: self, path: path)
    }

    /// All entries of a directory, sorted by the bytes of their names.
    /// - Parameter limit: more entries than this throw ``GuestFilesError/tooLong(limit:)``.
    public func list(_ path: GuestPath, limit: Int = 1_000_000) async throws -> [DirectoryEntry] {
        var all: [DirectoryEntry] = []
        for try await entry in entries(of: path) {
            guard all.count < limit else { throw GuestFilesError.tooLong(limit: limit) }
            all.append(entry)
        }
        return all.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// The content of a regular file, fetched as it is asked for.
    /// - Parameter range: which bytes; what lies beyond the file's end is left out.
    public nonisolated func read(_ path: GuestPath, _ range: Range<UInt64> = 0..<UInt64(Int64.max)) -> FileContent {
        FileContent(
            session: self,
            request: .openFile(path, offset: range.lowerBound, length: range.upperBound - range.lowerBound))
    }

    /// The whole content of a regular file.
    /// - Parameter limit: a file of more bytes throws ``GuestFilesError/tooLong(limit:)``.
    public func readAll(_ path: GuestPath, limit: Int = 64 << 20) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in read(path) {
            guard bytes.count + piece.count <= limit else { throw GuestFilesError.tooLong(limit: limit) }
            bytes += piece
        }
        return bytes
    }

    /// Writes a regular file.
    public func write(_ bytes: [UInt8], to path: GuestPath, _ options: WriteOptions = WriteOptions()) async throws {
        try await send(OneValue(bytes), to: .createFile(path, options))
    }

    /// Writes a regular file as its content comes.
    public func write<Content: AsyncSequence & Sendable>(
        _ content: Content, to path: GuestPath, _ options: WriteOptions = WriteOptions()
    ) async throws where Content.Element == [UInt8] {
        try await send(content, to: .createFile(path, options))
    }

    /// Makes a directory; with `parents` also those above it, and one that is there is no error.
    public func makeDirectory(_ path: GuestPath, mode: UInt16 = 0o755, parents: Bool = false) async throws {
        try await perform(.makeDirectory(path, mode: mode & 0o7777, parents: parents))
    }

    /// Renames. With `replaces`, a file or empty directory that has the new name goes; otherwise that is an error.
    public func move(_ path: GuestPath, to newPath: GuestPath, replaces: Bool = false) async throws {
        try await perform(.move(path, to: newPath, replaces: replaces))
    }

    /// Copies a file or tree within the sandbox with all that it is; links are copied as links.
    /// - Parameter replaces: whether a file may take another's place; a directory's name must be free.
    public func copy(_ path: GuestPath, to newPath: GuestPath, replaces: Bool = false) async throws {
        try await perform(.copy(path, to: newPath, replaces: replaces))
    }

    /// Removes a file, an empty directory, or with `recursive` a tree. Links are removed, never followed.
    public func remove(_ path: GuestPath, recursive: Bool = false) async throws {
        try await perform(.remove(path, recursive: recursive))
    }

    /// Sets the permission bits, 0...0o7777, of what a path leads to.
    public func setMode(_ path: GuestPath, _ mode: UInt16) async throws {
        try await perform(.setMode(path, mode & 0o7777))
    }

    /// Sets owner and group: names in the image's user database or decimal numbers; an empty one stays as it is.
    public func setOwner(
        _ path: GuestPath, owner: String = "", group: String = "", followsLinks: Bool = true
    ) async throws {
        try await perform(.setOwner(path, owner: owner, group: group, followsLinks: followsLinks))
    }

    /// Sets the times of access and modification; `nil` leaves one as it is.
    public func setTimes(
        _ path: GuestPath, accessed: FileTime? = nil, modified: FileTime? = nil, followsLinks: Bool = true
    ) async throws {
        try await perform(.setTimes(path, accessed: accessed, modified: modified, followsLinks: followsLinks))
    }

    /// Cuts or extends a regular file to so many bytes.
    public func truncate(_ path: GuestPath, to length: UInt64) async throws {
        try await perform(.truncate(path, length: length))
    }

    /// Gives a file another name. A symbolic link is not followed, but linked itself.
    public func link(_ path: GuestPath, at newPath: GuestPath) async throws {
        try await perform(.link(path, newPath: newPath))
    }

    /// Makes a symbolic link.
    /// - Parameter target: what the link says, 1...4095 bytes without NUL; it need not lead to anything.
    public func makeSymbolicLink(_ path: GuestPath, to target: [UInt8]) async throws {
        guard GuestPath(bytes: target) != nil else {
            throw GuestFilesError.noPath(String(decoding: target.prefix(1000), as: UTF8.self))
        }
        try await perform(.symbolicLink(target: target, path))
    }

    /// What a symbolic link says.
    public func readLink(_ path: GuestPath) async throws -> [UInt8] { try await bytes(.readLink(path)) }

    /// The value of an extended attribute.
    public func attribute(_ name: String, of path: GuestPath, followsLinks: Bool = true) async throws -> [UInt8] {
        try await bytes(.attribute(path, name: Array(name.utf8), followsLinks: followsLinks))
    }

    /// The names of all extended attributes.
    public func attributeNames(of path: GuestPath, followsLinks: Bool = true) async throws -> [String] {
        guard case .names(let names) = try await call(.attributeNames(path, followsLinks: followsLinks)) else {
            throw unexpected()
        }
        return names.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Sets an extended attribute.
    public func setAttribute(
        _ name: String, to value: [UInt8], of path: GuestPath, _ policy: AttributePolicy = .any,
        followsLinks: Bool = true
    ) async throws {
        try await perform(
            .setAttribute(path, name: Array(name.utf8), value: value, policy, followsLinks: followsLinks))
    }

    /// Removes an extended attribute.
    public func removeAttribute(_ name: String, of path: GuestPath, followsLinks: Bool = true) async throws {
        try await perform(.removeAttribute(path, name: Array(name.utf8), followsLinks: followsLinks))
    }

    /// What happens to a file, in a directory, or with `recursive` below one, from now on.
    ///
    /// The watch exists when this returns, and ends when its iterator goes or its task is cancelled. Events that nobody
    /// takes wait in the sandbox; when they become too many, ``FileEvent/overflow`` says so.
    public func watch(_ path: GuestPath, recursive: Bool = false) async throws -> FileEvents {
        FileEvents(session: self, handle: try await open(.watch(path, recursive: recursive)).handle)
    }

    /// A file or tree as a tar archive (pax), with owners, modes, times, extended attributes and hard links.
    /// - Parameter name: what the file or directory itself is called in the archive; `.` is usual for a directory.
    public nonisolated func readArchive(
        _ path: GuestPath, name: String = ".", followsLinks: Bool = false
    ) -> FileContent {
        FileContent(
            session: self, request: .openArchive(path, name: Array(name.utf8), followsLinks: followsLinks))
    }

    /// Unpacks a tar archive (ustar, pax, GNU) in a directory of the sandbox, which must be there. Nothing outside the
    /// directory is touched, whatever names and links the archive holds.
    public func writeArchive<Content: AsyncSequence & Sendable>(
        into path: GuestPath, _ archive: Content, _ options: ExtractOptions = ExtractOptions()
    ) async throws where Content.Element == [UInt8] {
        try await send(archive, to: .extractArchive(path, options))
    }

    private func bytes(_ request: FileRequest) async throws -> [UInt8] {
        guard case .bytes(let bytes) = try await call(request) else { throw unexpected() }
        return bytes
    }

    /// Sends content to what a request opens, a few pieces ahead of the responses.
    private func send<Content: AsyncSequence & Sendable>(
        _ content: Content, to request: FileRequest
    ) async throws where Content.Element == [UInt8] {
        let handle = try await open(request).handle
        var sent: [UInt32] = []
        do {
            for try await piece in content {
                var rest = piece[...]
                while !rest.isEmpty {
                    if sent.count >= FileContent.ahead { _ = try await response(to: sent.removeFirst()) }
                    sent.append(try begin(.write(handle, Array(rest.prefix(FileContent.piece)))))
                    rest = rest.dropFirst(FileContent.piece)
                }
            }
            while !sent.isEmpty { _ = try await response(to: sent.removeFirst()) }
            try await perform(.finish(handle))
        } catch {
            abandon(handle, sent)
            throw error
        }
    }
}

/// One value, as a sequence.
private struct OneValue: AsyncSequence, Sendable {
    let value: [UInt8]

    init(_ value: [UInt8]) { self.value = value }

    struct Iterator: AsyncIteratorProtocol {
        var value: [UInt8]?

        mutating func next() async -> [UInt8]? {
            defer { value = nil }
            return value
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(value: value) }
}
