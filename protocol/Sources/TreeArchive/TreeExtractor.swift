import CFileSystem
import Glibc
import Tar

/// Unpacks a tar archive of a stranger below a directory, as it arrives.
///
/// Nothing outside the directory is made, changed or followed: absolute names and `..` are refused, and every directory
/// on the way is opened without following a link, so that neither links that were there nor those of the archive itself
/// lead out. Directories that are there stay as they are; of all else a new entry takes an old one's place.
public final class TreeExtractor {
    /// What of an archive is taken.
    public struct Policy: Sendable {
        /// Which extended attributes are set.
        public enum Attributes: Sendable { case none, user, all }

        /// Whether files get the owners that the archive names.
        public var keepsOwners: Bool
        /// Whether set-user-id, set-group-id and sticky bits are kept.
        public var keepsSpecialBits: Bool
        /// Whether devices and fifos are made, if the process may; otherwise they are left out with a notice.
        public var makesDevices: Bool
        /// Whether the archive's entry for the root itself changes the directory.
        public var changesRoot: Bool
        /// Which extended attributes are set, where the file system has any.
        public var attributes: Attributes
        /// Most entries.
        public var maximumEntries: Int
        /// Most bytes of content of all files together.
        public var maximumBytes: Int64

        /// Makes a policy; what is left out is what is safe for an archive from a sandbox on a host.
        public init(
            keepsOwners: Bool = false, keepsSpecialBits: Bool = false, makesDevices: Bool = false,
            changesRoot: Bool = false, attributes: Attributes = .user, maximumEntries: Int = 10_000_000,
            maximumBytes: Int64 = .max
        ) {
            self.keepsOwners = keepsOwners
            self.keepsSpecialBits = keepsSpecialBits
            self.makesDevices = makesDevices
            self.changesRoot = changesRoot
            self.attributes = attributes
            self.maximumEntries = maximumEntries
            self.maximumBytes = maximumBytes
        }
    }

    /// Notices and directories to be completed are kept up to these bounds.
    private static let mostNotices = 100
    private static let mostDirectories = 1_000_000

    private struct OpenFileEntry {
        let file: OpenFile
        let entry: TarEntry
        var end: Int64 = 0
    }

    private let root: OpenFile
    private let policy: Policy
    private var reader = TarReader()
    private var current: (path: [UInt8], directory: OpenFile)
    private var open: OpenFileEntry?
    private var made: [(path: [UInt8], entry: TarEntry)] = []
    private var entries = 0
    private var bytes: Int64 = 0

    /// What was left out, one line each, with foreign names cleaned; at most 100.
    public private(set) var notices: [String] = []

    /// Unpacks into an open directory.
    public init(into root: OpenFile, _ policy: Policy = Policy()) {
        self.root = root
        self.policy = policy
        current = ([], root)
    }

    /// Takes the next bytes of the archive.
    /// - Throws: ``FileCallError`` when they make no sense (`EINVAL`), are too many (`E2BIG`), or cannot be unpacked. The
    ///   extractor is of no further use then; what was unpacked stays.
    public func write(_ bytes: ArraySlice<UInt8>) throws(FileCallError) {
        reader.append(bytes)
        while let event = try archived({ () throws(TarError) in try reader.next() }) {
            switch event {
            case .entry(let entry): try begin(entry)
            case .content(let content, let offset): try write(content, at: offset)
            case .end: try endFile()
            }
        }
    }

    /// Ends the archive: directories get their modes and times.
    public func finish() throws(FileCallError) {
        try archived { () throws(TarError) in try reader.finish() }
        for (path, entry) in made.reversed() {
            let directory = path.isEmpty ? root : try root.directory(path)
            try complete(directory, entry)
        }
        made = []
    }

    private func archived<Value>(_ body: () throws(TarError) -> Value) throws(FileCallError) -> Value {
        do throws(TarError) { return try body() } catch {
            let reason = FileCallError.text(Array("\(error)".utf8))
            if case .limit = error { throw FileCallError("unpack the archive", code: E2BIG, detail: reason) }
            throw FileCallError("unpack the archive", code: EINVAL, detail: reason)
        }
    }

    private func notice(_ name: [UInt8], _ what: String) {
        if notices.count < Self.mostNotices { notices.append("\(FileCallError.text(name)): \(what)") }
    }

    // MARK: Names

    /// The clean form of a name.
    private func clean(_ name: [UInt8]) throws(FileCallError) -> [UInt8] {
        let leadsOut =
            name.first == EntryPath.slash
            || name.split(separator: EntryPath.slash).contains { $0.elementsEqual("..".utf8) }
        guard !leadsOut else { throw refused(name, "the name leads out of the directory") }
        return try archived { () throws(TarError) in
            var path: [UInt8] = []
            let result = name.withUnsafeBytes { raw -> Result<Void, TarError> in
                Result { () throws(TarError) in try EntryPath.clean(raw, into: &path) }
            }
            try result.get()
            return path
        }
    }

    private func refused(_ name: [UInt8], _ why: String) -> FileCallError {
        FileCallError("unpack it", code: EINVAL, detail: "entry '\(FileCallError.text(name))': \(why)")
    }

    /// The directory of a clean path, made as far as it is missing, and the last name.
    private func place(of path: [UInt8]) throws(FileCallError) -> (directory: OpenFile, name: [UInt8]) {
        let slash = path.lastIndex(of: EntryPath.slash)
        let parent = Array(path[..<(slash ?? 0)])
        let name = Array(path[(slash.map { $0 + 1 } ?? 0)...])
        if parent == current.path { return (current.directory, name) }
        var directory = root
        for component in parent.split(separator: EntryPath.slash) {
            let component = Array(component)
            do throws(FileCallError) { directory = try directory.open(component, files_open_path | O_DIRECTORY) } catch
            {
                guard error.code == ENOENT else { throw inTheWay(parent, error) }
                try FileCallError.check("make the directory \(FileCallError.text(parent))") {
                    mkdirat(directory.number, cText(component), 0o755)
                }
                directory = try directory.open(component, files_open_path | O_DIRECTORY)
            }
        }
        current = (parent, directory)
        return (directory, name)
    }

    private func inTheWay(_ path: [UInt8], _ error: FileCallError) -> FileCallError {
        guard error.code == ENOTDIR || error.code == ELOOP else { return error }
        return FileCallError(
            "unpack it", code: ENOTDIR,
            detail: "\(FileCallError.text(path)) in the target is a link or a file where the archive has a directory")
    }

    /// Makes something under a name; what has it already goes, unless it is a directory.
    private func make(
        _ path: [UInt8], _ directory: OpenFile, _ name: [UInt8], _ call: () -> Int32
    ) throws(FileCallError) -> Int32 {
        let attempt = "make \(FileCallError.text(path))"
        do throws(FileCallError) { return try FileCallError.check(attempt, call) } catch {
            guard error.code == EEXIST else { throw error }
        }
        try FileCallError.check("replace \(FileCallError.text(path))") { unlinkat(directory.number, cText(name), 0) }
        return try FileCallError.check(attempt, call)
    }

    // MARK: Entries

    private func begin(_ entry: TarEntry) throws(FileCallError) {
        entries += 1
        guard entries <= policy.maximumEntries else {
            throw FileCallError(
                "unpack the archive", code: E2BIG, detail: "it has more than \(policy.maximumEntries) entries")
        }
        let path = try clean(entry.name)
        if path.isEmpty {
            guard case .directory = entry.kind else { throw refused(entry.name, "the root can only be a directory") }
            if policy.changesRoot { try remember([], entry) }
            return
        }
        let (directory, name) = try place(of: path)
        switch entry.kind {
        case .directory: try makeDirectory(path, directory, name, entry)
        case .file:
            let number = try make(path, directory, name) {
                files_open_at(directory.number, cText(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
            }
            open = OpenFileEntry(file: OpenFile(owning: number), entry: entry)
        case .symbolicLink(let target):
            guard !target.isEmpty, target.count < Int(PATH_MAX), !target.contains(0) else {
                throw refused(entry.name, "the target of a link is impossible")
            }
            _ = try make(path, directory, name) { symlinkat(cText(target), directory.number, cText(name)) }
            try complete(try directory.open(name, files_open_path), entry)
        case .hardLink(let target): try link(path, directory, name, to: try clean(target))
        case .characterDevice(let major, let minor): try makeNode(path, directory, name, entry, S_IFCHR, major, minor)
        case .blockDevice(let major, let minor): try makeNode(path, directory, name, entry, S_IFBLK, major, minor)
        case .fifo: try makeNode(path, directory, name, entry, S_IFIFO, 0, 0)
        }
    }

    private func makeDirectory(
        _ path: [UInt8], _ directory: OpenFile, _ name: [UInt8], _ entry: TarEntry
    ) throws(FileCallError) {
        if mkdirat(directory.number, cText(name), 0o700) == 0 { return try remember(path, entry) }
        guard errno == EEXIST else {
            throw FileCallError("make the directory \(FileCallError.text(path))", code: errno)
        }
        do throws(FileCallError) { _ = try directory.open(name, files_open_path | O_DIRECTORY) } catch {
            throw inTheWay(path, error)
        }
    }

    /// Keeps what a directory is to become, until all that is in it is there.
    private func remember(_ path: [UInt8], _ entry: TarEntry) throws(FileCallError) {
        guard made.count < Self.mostDirectories else {
            throw FileCallError(
                "unpack the archive", code: E2BIG, detail: "it has more than \(Self.mostDirectories) directories")
        }
        made.append((path, entry))
    }

    private func link(
        _ path: [UInt8], _ directory: OpenFile, _ name: [UInt8], to target: [UInt8]
    ) throws(FileCallError) {
        guard !target.isEmpty else { throw refused(path, "a hard link to the root") }
        if target == path { return }
        let slash = target.lastIndex(of: EntryPath.slash)
        let parent: OpenFile
        do throws(FileCallError) { parent = try root.directory(target[..<(slash ?? 0)]) } catch {
            throw inTheWay(target, error)
        }
        let targetName = Array(target[(slash.map { $0 + 1 } ?? 0)...])
        _ = try make(path, directory, name) {
            linkat(parent.number, cText(targetName), directory.number, cText(name), 0)
        }
    }

    private func makeNode(
        _ path: [UInt8], _ directory: OpenFile, _ name: [UInt8], _ entry: TarEntry, _ kind: mode_t, _ major: UInt32,
        _ minor: UInt32
    ) throws(FileCallError) {
        guard policy.makesDevices, kind == S_IFIFO || geteuid() == 0 else {
            return notice(path, kind == S_IFIFO ? "a fifo, left out" : "a device, left out")
        }
        _ = try make(path, directory, name) {
            files_make_node(directory.number, cText(name), kind | 0o600, major, minor)
        }
        try complete(try directory.open(name, files_open_path), entry)
    }

    // MARK: Content

    private func write(_ content: ArraySlice<UInt8>, at offset: Int64) throws(FileCallError) {
        bytes &+= Int64(content.count)
        guard bytes <= policy.maximumBytes else {
            throw FileCallError(
                "unpack the archive", code: E2BIG, detail: "its files have more than \(policy.maximumBytes) bytes")
        }
        try open?.file.write(content, at: offset)
        open?.end = offset &+ Int64(content.count)
    }

    private func endFile() throws(FileCallError) {
        guard let done = open else { return }
        open = nil
        if done.end < done.entry.size {
            // The rest of a sparse file is a hole.
            try FileCallError.check("extend \(FileCallError.text(done.entry.name))") {
                ftruncate(done.file.number, off_t(done.entry.size))
            }
        }
        try complete(done.file, done.entry)
    }

    /// Gives something that was made what the archive says it is. Owner before mode and attributes, since changing it
    /// takes both back.
    private func complete(_ file: OpenFile, _ entry: TarEntry) throws(FileCallError) {
        let attempt = "set what \(FileCallError.text(entry.name)) is"
        if policy.keepsOwners {
            try FileCallError.check(attempt) {
                fchownat(file.number, "", entry.owner, entry.group, files_empty_path)
            }
        }
        for attribute in entry.attributes {
            guard policy.attributes == .all || (policy.attributes == .user && attribute.name.starts(with: "user.".utf8))
            else { continue }
            do throws(FileCallError) {
                try ExtendedAttributeList.set(attribute.name, to: attribute.value, of: file)
            } catch {
                guard [EPERM, EOPNOTSUPP, EACCES, ENOSPC].contains(error.code) else { throw error }
                notice(entry.name, "the attribute \(FileCallError.text(attribute.name)) cannot be set")
            }
        }
        if case .symbolicLink = entry.kind {
        } else {
            let mode = policy.keepsSpecialBits ? entry.mode : entry.mode & 0o777
            try FileCallError.check(attempt) { chmod(file.procPath, mode_t(mode)) }
        }
        let (seconds, nanoseconds) = entry.modified
        try FileCallError.check(attempt) { files_set_times(file.number, "", 2, 0, 0, seconds, nanoseconds) }
    }
}
