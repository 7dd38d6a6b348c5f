import FileProtocol
import Glibc
import LinuxSystem
import TreeArchive

/// Copying between the host and a sandbox: what `sandpiper cp` does.
extension FileSession {
    /// Copies a file or tree of the host into the sandbox.
    /// - Parameters:
    ///   - source: a path of the host; `/.` at its end means a directory's content.
    ///   - target: a path in the sandbox, with the meaning that ``CopyPlan`` gives it.
    ///   - followsLinks: whether a link that `source` is gets followed.
    ///   - keepsOwners: whether files keep their numeric owners; otherwise they belong to the session's user.
    /// - Throws: ``GuestFilesError``, or `CancellationError`.
    public func copy(
        fromHost source: String, to target: String, followsLinks: Bool = false, keepsOwners: Bool = false
    ) async throws {
        let source = CopyPlan.Source(Array(source.utf8))
        let isDirectory = try HostArchive.isDirectory(source, followsLinks: followsLinks)
        let plan = try CopyPlan(
            source, isDirectory: isDirectory, to: Array(target.utf8), which: try await self.target(at: target))
        let archiver = try HostArchive.pack(source, named: plan.name, followsLinks: followsLinks)
        guard let directory = GuestPath(bytes: plan.directory) else { throw GuestFilesError.noPath(target) }
        try await writeArchive(into: directory, HostPieces(archiver), ExtractOptions(keepsOwners: keepsOwners))
    }

    /// Copies a file or tree of the sandbox to the host.
    /// - Parameters:
    ///   - source: a path in the sandbox; `/.` at its end means a directory's content.
    ///   - target: a path of the host, with the meaning that ``CopyPlan`` gives it.
    ///   - followsLinks: whether a link that `source` is gets followed.
    /// - Returns: what was left out, one line each.
    /// - Throws: ``GuestFilesError``, or `CancellationError`.
    @discardableResult
    public func copy(
        toHost target: String, from source: String, followsLinks: Bool = false,
        _ options: HostArchive.Options = HostArchive.Options()
    ) async throws -> [String] {
        let source = CopyPlan.Source(Array(source.utf8))
        let follows = followsLinks || source.mustBeDirectory
        guard let path = GuestPath(bytes: source.path) else {
            throw GuestFilesError.noPath(String(decoding: source.path, as: UTF8.self))
        }
        let isDirectory = try await status(path, followsLinks: follows).kind == .directory
        let plan = try CopyPlan(
            source, isDirectory: isDirectory, to: Array(target.utf8), which: HostArchive.target(at: target))
        let extraction = HostExtraction(try HostArchive.unpack(into: plan.directory, options))
        let archive = FileContent(
            session: self, request: .openArchive(path, name: plan.name, followsLinks: follows))
        for try await piece in archive {
            try await extraction.perform { extractor throws(FileCallError) in try extractor.write(piece[...]) }
        }
        return try await extraction.perform { extractor throws(FileCallError) in
            try extractor.finish()
            return extractor.notices
        }
    }

    /// What a path of the sandbox leads to, for a plan.
    public func target(at path: String) async throws -> CopyPlan.Target {
        do {
            return try await status(try GuestPath(checking: path)).kind == .directory ? .directory : .other
        } catch GuestFilesError.failed(let code, _) where code == ENOENT || code == ENOTDIR {
            return .nothing
        }
    }
}

/// The pieces of an archive of the host, made on threads that may block.
///
/// Unchecked: the archiver is used by one call at a time, each of which ends before the next begins.
private final class HostPieces: AsyncSequence, AsyncIteratorProtocol, @unchecked Sendable {
    private let archiver: TreeArchiver

    init(_ archiver: TreeArchiver) { self.archiver = archiver }

    func next() async throws -> [UInt8]? {
        let result = try await DedicatedThread.value { [self] in
            Result { () throws(FileCallError) in try archiver.next(FileContent.piece) }
        }
        do {
            let bytes = try result.get()
            return bytes.isEmpty ? nil : bytes
        } catch {
            throw GuestFilesError.host(error)
        }
    }

    func makeAsyncIterator() -> HostPieces { self }
}

/// An extractor that is used on threads that may block.
///
/// Unchecked: it is used by one call at a time, each of which ends before the next begins.
private final class HostExtraction: @unchecked Sendable {
    private let extractor: TreeExtractor

    init(_ extractor: TreeExtractor) { self.extractor = extractor }

    func perform<Value: Sendable>(
        _ body: @escaping @Sendable (TreeExtractor) throws(FileCallError) -> Value
    ) async throws -> Value {
        let result = try await DedicatedThread.value { [self] in
            Result { () throws(FileCallError) in try body(extractor) }
        }
        do { return try result.get() } catch {
            // The archive's faults are the sandbox's, the rest is the host's.
            throw error.detail.isEmpty ? GuestFilesError.host(error) : .archive(error.detail)
        }
    }
}
