import FileProtocol

/// The bytes of a file or an archive in the sandbox, in pieces, fetched a little ahead of whoever takes them.
///
/// Each iteration opens it anew. One that is given up is closed in the sandbox.
public struct FileContent: AsyncSequence, Sendable {
    /// Bytes of a piece, and how many pieces are under way.
    static let piece = 262_144
    static let ahead = 4

    let session: FileSession
    let request: FileRequest

    /// Fetches the pieces.
    public final class AsyncIterator: AsyncIteratorProtocol {
        private let session: FileSession
        private let request: FileRequest
        private var handle: UInt32?
        private var sent: [UInt32] = []
        private var isOver = false

        init(_ session: FileSession, _ request: FileRequest) {
            self.session = session
            self.request = request
        }

        deinit { abandon() }

        /// The next piece, not empty; `nil` at the end.
        public func next() async throws -> [UInt8]? {
            guard !isOver else { return nil }
            do {
                let handle: UInt32
                if let open = self.handle { handle = open } else { handle = try await session.open(request).handle }
                self.handle = handle
                while sent.count < FileContent.ahead {
                    sent.append(try await session.begin(.nextBytes(handle, UInt32(FileContent.piece))))
                }
                guard case .bytes(let bytes) = try await session.response(to: sent.removeFirst()) else {
                    throw await session.unexpected()
                }
                if !bytes.isEmpty { return bytes }
                abandon()
                return nil
            } catch {
                abandon()
                throw error
            }
        }

        private func abandon() {
            isOver = true
            guard let handle else { return }
            self.handle = nil
            Task { [session, sent] in await session.abandon(handle, sent) }
        }
    }

    /// Starts over.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(session, request) }
}

/// The entries of a directory in the sandbox, fetched as they are asked for.
public struct DirectoryContents: AsyncSequence, Sendable {
    let session: FileSession
    let path: GuestPath

    /// Fetches the entries.
    public final class AsyncIterator: AsyncIteratorProtocol {
        private let session: FileSession
        private let path: GuestPath
        private var handle: UInt32?
        private var fetched: [DirectoryEntry] = []
        private var position = 0
        private var isOver = false

        init(_ session: FileSession, _ path: GuestPath) {
            self.session = session
            self.path = path
        }

        deinit { abandon() }

        /// The next entry; `nil` at the end.
        public func next() async throws -> DirectoryEntry? {
            if position < fetched.count {
                defer { position += 1 }
                return fetched[position]
            }
            guard !isOver else { return nil }
            do {
                let handle: UInt32
                if let open = self.handle {
                    handle = open
                } else {
                    handle = try await session.open(.openDirectory(path)).handle
                }
                self.handle = handle
                guard case .entries(let entries) = try await session.call(.nextEntries(handle)) else {
                    throw await session.unexpected()
                }
                (fetched, position) = (entries, entries.isEmpty ? 0 : 1)
                if entries.isEmpty { abandon() }
                return entries.first
            } catch {
                abandon()
                throw error
            }
        }

        private func abandon() {
            isOver = true
            guard let handle else { return }
            self.handle = nil
            Task { [session] in await session.abandon(handle) }
        }
    }

    /// Starts over.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(session, path) }
}

/// Events of a watch, from when it was made. Only one iteration: events that were taken do not come again.
public struct FileEvents: AsyncSequence, Sendable {
    private let watch: Watch

    init(session: FileSession, handle: UInt32) { watch = Watch(session: session, handle: handle) }

    /// The watch in the sandbox; it ends with the last who knows it.
    fileprivate final class Watch: Sendable {
        let session: FileSession
        let handle: UInt32

        init(session: FileSession, handle: UInt32) {
            self.session = session
            self.handle = handle
        }

        deinit { Task { [session, handle] in await session.abandon(handle) } }
    }

    /// Fetches the events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let watch: Watch
        private var fetched: [FileEvent] = []
        private var position = 0
        private var hasEnded = false

        fileprivate init(_ watch: Watch) { self.watch = watch }

        /// The next event; `nil` after ``FileEvent/ended``. Waits until there is one.
        public mutating func next() async throws -> FileEvent? {
            while position == fetched.count {
                guard !hasEnded else { return nil }
                guard case .events(let events) = try await watch.session.call(.nextEvents(watch.handle)) else {
                    throw await watch.session.unexpected()
                }
                (fetched, position) = (events, 0)
            }
            defer { position += 1 }
            if fetched[position] == .ended { hasEnded = true }
            return fetched[position]
        }
    }

    /// Goes on with the events that nobody has taken yet.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(watch) }
}
