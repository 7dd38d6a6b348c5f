import AgentProtocol
import FileProtocol
import GuestFiles

extension Sandbox {
    /// The files of the running sandbox, as its root user sees them.
    public var files: Files { Files(sandbox: self) }

    /// The files of a running sandbox.
    ///
    /// Paths are the sandbox's, and cannot lead out of it, whatever links there are. Errors are
    /// ``SandpiperError/file(code:reason:)`` with Linux's error number where the sandbox could not do it.
    ///
    /// ```swift
    /// try await sandbox.files.write("print(6 * 7)\n", to: "/work/answer.py")
    /// let text = try await sandbox.files.text(of: "/etc/os-release")
    /// ```
    public struct Files: Sendable {
        /// What stat(2) says of a file.
        public typealias Status = FileProtocol.FileStatus
        /// A point in time.
        public typealias Time = FileProtocol.FileTime
        /// One name in a directory.
        public typealias Entry = FileProtocol.DirectoryEntry
        /// How a file is written.
        public typealias WriteOptions = FileProtocol.WriteOptions
        /// The content of a file in pieces, fetched a little ahead of whoever takes them.
        public typealias Content = GuestFiles.FileContent
        /// What happens below a watched path.
        public typealias Events = GuestFiles.FileEvents

        fileprivate let sandbox: Sandbox

        // MARK: Content

        /// The whole content of a regular file.
        /// - Throws: ``SandpiperError/outputTooLong(limit:)`` when it has more bytes than `limit`.
        public func bytes(of path: String, limit: Int = 64 << 20) async throws -> [UInt8] {
            try await use(path) { try await $0.readAll($1, limit: limit) }
        }

        /// The whole content of a regular file as UTF-8; what is not is shown as `U+FFFD`.
        /// - Throws: ``SandpiperError/outputTooLong(limit:)`` when it has more bytes than `limit`.
        public func text(of path: String, limit: Int = 64 << 20) async throws -> String {
            String(decoding: try await bytes(of: path, limit: limit), as: UTF8.self)
        }

        /// The content of a regular file, fetched as it is asked for.
        /// - Parameters:
        ///   - path: the file.
        ///   - range: which bytes; what lies beyond the file's end is left out.
        public func content(
            of path: String, range: Range<UInt64> = 0..<UInt64(Int64.max)
        ) async throws -> Content {
            try await use(path) { $0.read($1, range) }
        }

        /// Writes a regular file; one that is there is replaced in one step unless `options` say otherwise.
        public func write(_ bytes: [UInt8], to path: String, options: WriteOptions = WriteOptions()) async throws {
            try await use(path) { try await $0.write(bytes, to: $1, options) }
        }

        /// Writes text to a regular file in UTF-8.
        public func write(_ text: String, to path: String, options: WriteOptions = WriteOptions()) async throws {
            try await write(Array(text.utf8), to: path, options: options)
        }

        /// Writes a regular file as its content comes.
        public func write<Source: AsyncSequence & Sendable>(
            _ content: Source, to path: String, options: WriteOptions = WriteOptions()
        ) async throws where Source.Element == [UInt8] {
            try await use(path) { try await $0.write(content, to: $1, options) }
        }

        /// Copies a file or tree of the host into the sandbox, as `cp -a` would.
        /// - Parameters:
        ///   - source: a path of the host; `/.` at its end means a directory's content.
        ///   - target: a path in the sandbox; a directory that is there gets the copy under the source's name.
        public func copyIn(_ source: String, to target: String) async throws {
            try await use { try await $0.copy(fromHost: source, to: target) }
        }

        /// Copies a file or tree of the sandbox to the host, as `cp -a` would.
        /// - Parameters:
        ///   - source: a path in the sandbox; `/.` at its end means a directory's content.
        ///   - target: a path of the host; a directory that is there gets the copy under the source's name.
        /// - Returns: what was left out, one line each.
        @discardableResult
        public func copyOut(_ source: String, to target: String) async throws -> [String] {
            try await use { try await $0.copy(toHost: target, from: source) }
        }

        // MARK: Names

        /// What is at a path.
        /// - Parameters:
        ///   - path: what is asked about.
        ///   - followsLinks: whether a link is asked what it leads to.
        public func status(of path: String, followsLinks: Bool = true) async throws -> Status {
            try await use(path) { try await $0.status($1, followsLinks: followsLinks) }
        }

        /// Whether there is something at a path, links followed.
        public func exists(_ path: String) async throws -> Bool { try await use(path) { try await $0.exists($1) } }

        /// All entries of a directory, sorted by the bytes of their names.
        public func list(_ path: String) async throws -> [Entry] { try await use(path) { try await $0.list($1) } }

        /// Makes a directory; with `parents` also those above it, and one that is there is no error.
        public func makeDirectory(_ path: String, mode: UInt16 = 0o755, parents: Bool = false) async throws {
            try await use(path) { try await $0.makeDirectory($1, mode: mode, parents: parents) }
        }

        /// Renames. With `replaces`, a file or empty directory that has the new name goes; otherwise that is an error.
        public func move(_ path: String, to newPath: String, replaces: Bool = false) async throws {
            let target = try GuestPath(checked: newPath)
            try await use(path) { try await $0.move($1, to: target, replaces: replaces) }
        }

        /// Copies a file or tree within the sandbox; links are copied as links.
        public func copy(_ path: String, to newPath: String, replaces: Bool = false) async throws {
            let target = try GuestPath(checked: newPath)
            try await use(path) { try await $0.copy($1, to: target, replaces: replaces) }
        }

        /// Removes a file, an empty directory, or with `recursive` a tree. Links are removed, never followed.
        public func remove(_ path: String, recursive: Bool = false) async throws {
            try await use(path) { try await $0.remove($1, recursive: recursive) }
        }

        /// Sets the permission bits, 0...0o7777.
        public func setMode(_ mode: UInt16, of path: String) async throws {
            try await use(path) { try await $0.setMode($1, mode) }
        }

        /// Sets owner and group: names or decimal numbers; an empty one stays as it is.
        public func setOwner(_ owner: String, group: String = "", of path: String) async throws {
            try await use(path) { try await $0.setOwner($1, owner: owner, group: group) }
        }

        /// Makes a symbolic link.
        /// - Parameters:
        ///   - path: the link.
        ///   - target: what it says; that need not lead to anything.
        public func makeSymbolicLink(_ path: String, to target: String) async throws {
            try await use(path) { try await $0.makeSymbolicLink($1, to: Array(target.utf8)) }
        }

        /// What a symbolic link says.
        public func target(ofLink path: String) async throws -> String {
            String(decoding: try await use(path) { try await $0.readLink($1) }, as: UTF8.self)
        }

        /// What happens to a file, in a directory, or with `recursive` below one, from when this returns. Events that
        /// nobody takes wait in the sandbox; when they become too many, one of them says so.
        public func watch(_ path: String, recursive: Bool = false) async throws -> Events {
            try await use(path) { try await $0.watch($1, recursive: recursive) }
        }

        // MARK: The session

        private func use<Result: Sendable>(
            _ path: String, _ body: @Sendable (FileSession, GuestPath) async throws -> Result
        ) async throws -> Result {
            let path = try GuestPath(checked: path)
            return try await use { try await body($0, path) }
        }

        private func use<Result: Sendable>(
            _ body: @Sendable (FileSession) async throws -> Result
        ) async throws -> Result {
            let conversation = try await sandbox.fileConversation()
            defer { withExtendedLifetime(conversation) {} }
            do { return try await body(conversation.session) } catch let error as GuestFilesError {
                throw SandpiperError(error, sandbox.id)
            }
        }
    }
}

extension GuestPath {
    fileprivate init(checked text: String) throws {
        do { try self.init(checking: text) } catch { throw SandpiperError.invalidArgument("\(error)") }
    }
}

extension SandpiperError {
    fileprivate init(_ error: GuestFilesError, _ sandbox: String) {
        switch error {
        case .failed(let code, let message): self = .file(code: code, reason: message)
        case .tooLong(let limit): self = .outputTooLong(limit: limit)
        case .closed(let reason): self = .ended(sandbox: sandbox, reason: reason)
        case .misbehaved, .archive: self = .refused("\(error)")
        case .noPath: self = .invalidArgument("\(error)")
        case .host: self = .system("\(error)")
        }
    }
}
