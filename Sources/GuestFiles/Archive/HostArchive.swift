import FileProtocol
import Glibc
import LinuxSystem
import TreeArchive

/// Files and trees of the host as tar archives, on their way to a sandbox or from it. All calls block: use a thread for
/// them that may.
///
/// What comes from a sandbox is a stranger's: it is unpacked by ``TreeExtractor``, which never leaves the target directory,
/// follows no link in it, makes no device and keeps no set-user-id bit unless asked.
public enum HostArchive {
    /// What of an archive from a sandbox is kept on the host.
    public struct Options: Sendable {
        /// Whether files get the owners they have in the sandbox; only root may. Otherwise they belong to the caller.
        public var keepsOwners: Bool
        /// Whether set-user-id, set-group-id and sticky bits are kept.
        public var keepsSpecialBits: Bool
        /// Whether devices and fifos are made; only root may make devices.
        public var makesDevices: Bool
        /// Most entries of an archive.
        public var maximumEntries: Int
        /// Most bytes of content of all files of an archive.
        public var maximumBytes: Int64

        /// Makes options; what is left out is what is safe.
        public init(
            keepsOwners: Bool = false, keepsSpecialBits: Bool = false, makesDevices: Bool = false,
            maximumEntries: Int = 10_000_000, maximumBytes: Int64 = .max
        ) {
            self.keepsOwners = keepsOwners
            self.keepsSpecialBits = keepsSpecialBits
            self.makesDevices = makesDevices
            self.maximumEntries = maximumEntries
            self.maximumBytes = maximumBytes
        }
    }

    /// What a path of the host leads to, links followed; for ``CopyPlan``.
    public static func target(at path: String) -> CopyPlan.Target {
        var status = stat()
        guard stat(path, &status) == 0 else { return .nothing }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .other
    }

    /// Whether a source on the host is a directory; a link is one only when the path ends with a slash.
    /// - Throws: ``GuestFilesError/host(_:)`` when there is nothing.
    public static func isDirectory(_ source: CopyPlan.Source, followsLinks: Bool = false) throws(GuestFilesError)
        -> Bool
    {
        var status = stat()
        let path = source.path.map { CChar(bitPattern: $0) } + [0]
        let result = followsLinks || source.mustBeDirectory ? stat(path, &status) : lstat(path, &status)
        guard result == 0 else {
            throw .host(FileCallError("read \(FileCallError.text(source.path))", code: errno))
        }
        return status.st_mode & S_IFMT == S_IFDIR
    }

    /// Begins to archive a file or tree of the host.
    /// - Parameters:
    ///   - name: what it is called in the archive, see ``CopyPlan/name``.
    ///   - followsLinks: whether a link that the path itself is gets followed; links below are archived as links.
    /// - Returns: the archive, taken by ``TreeArchiver/next(_:)``.
    /// - Throws: ``GuestFilesError/host(_:)``.
    public static func pack(
        _ source: CopyPlan.Source, named name: [UInt8], followsLinks: Bool = false
    ) throws(GuestFilesError) -> TreeArchiver {
        let isDirectory = try isDirectory(source, followsLinks: followsLinks)
        do throws(FileCallError) {
            if isDirectory {
                let directory = try OpenFile.open(source.path, O_RDONLY | O_DIRECTORY)
                return TreeArchiver(of: [UInt8(ascii: ".")], in: directory, named: name)
            }
            // A link that is followed is replaced by where it leads to.
            let path = followsLinks ? try real(source.path) : source.path
            let slash = path.lastIndex(of: UInt8(ascii: "/"))
            let parent: [UInt8] =
                slash.map { $0 == 0 ? [UInt8(ascii: "/")] : Array(path[..<$0]) } ?? [UInt8(ascii: ".")]
            let last = Array(path[(slash.map { $0 + 1 } ?? 0)...])
            return TreeArchiver(of: last, in: try OpenFile.open(parent, O_RDONLY | O_DIRECTORY), named: name)
        } catch {
            throw .host(error)
        }
    }

    private static func real(_ path: [UInt8]) throws(FileCallError) -> [UInt8] {
        guard let found = realpath(path.map { CChar(bitPattern: $0) } + [0], nil) else {
            throw FileCallError("follow \(FileCallError.text(path))", code: errno)
        }
        defer { free(found) }
        return Array(UnsafeBufferPointer(start: found, count: strlen(found)).map { UInt8(bitPattern: $0) })
    }

    /// Begins to unpack an archive from a sandbox in a directory of the host, which must be there.
    /// - Returns: the archive is given to ``TreeExtractor/write(_:)``, and ended by ``TreeExtractor/finish()``;
    ///   ``TreeExtractor/notices`` says what was left out. Its errors are ``FileCallError``.
    /// - Throws: ``GuestFilesError/host(_:)`` when the directory cannot be opened.
    public static func unpack(into directory: [UInt8], _ options: Options = Options()) throws(GuestFilesError)
        -> TreeExtractor
    {
        do throws(FileCallError) {
            return TreeExtractor(
                into: try OpenFile.open(directory, O_RDONLY | O_DIRECTORY),
                .init(
                    keepsOwners: options.keepsOwners, keepsSpecialBits: options.keepsSpecialBits,
                    makesDevices: options.makesDevices, maximumEntries: options.maximumEntries,
                    maximumBytes: options.maximumBytes))
        } catch {
            throw .host(error)
        }
    }
}
