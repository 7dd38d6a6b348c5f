import CFileSystem
import Glibc

/// Goes through a file tree, a directory before what is in it. No link is followed, whatever changes meanwhile.
///
/// ```swift
/// var walk = TreeWalk(of: name, in: directory)
/// while let step = try walk.next() {
///     if case .entry(let entry) = step, entry.isDirectory { try walk.descend(into: entry) }
/// }
/// ```
public struct TreeWalk {
    /// The deepest nesting, in directories; each level holds two descriptors.
    public static let deepest = 400

    /// Something in the tree.
    public struct Entry {
        /// The directory it is in.
        public let parent: OpenFile
        /// Its name there.
        public let name: [UInt8]
        /// What it is.
        public let status: stat
        /// Its path below the root of the walk; empty for the root.
        public let path: [UInt8]

        /// Whether it is a directory.
        public var isDirectory: Bool { status.st_mode & S_IFMT == S_IFDIR }
    }

    /// What comes next.
    public enum Step {
        /// Something; the first one is the root itself.
        case entry(Entry)
        /// All in a directory that was descended into has been seen.
        case leave(Entry)
    }

    private struct Level {
        let entry: Entry
        let directory: OpenFile
        let names: DirectoryReader
    }

    private var root: (parent: OpenFile, name: [UInt8])?
    private var levels: [Level] = []

    /// Walks what `name` is in a directory; with the name `.` the directory itself.
    public init(of name: [UInt8], in parent: OpenFile) { root = (parent, name) }

    /// The next step; `nil` at the end.
    public mutating func next() throws(FileCallError) -> Step? {
        if let (parent, name) = root {
            root = nil
            return .entry(Entry(parent: parent, name: name, status: try parent.status(of: name), path: []))
        }
        while let level = levels.last {
            guard let name = try level.names.next() else {
                levels.removeLast()
                return .leave(level.entry)
            }
            let status: stat
            do throws(FileCallError) { status = try level.directory.status(of: name) } catch {
                // Gone since its name was read.
                if error.code == ENOENT { continue }
                throw error
            }
            let path = level.entry.path.isEmpty ? name : level.entry.path + [UInt8(ascii: "/")] + name
            return .entry(Entry(parent: level.directory, name: name, status: status, path: path))
        }
        return nil
    }

    /// Goes on with what is in a directory that ``next()`` gave last.
    /// - Returns: the directory, open.
    @discardableResult
    public mutating func descend(into entry: Entry) throws(FileCallError) -> OpenFile {
        guard levels.count < Self.deepest else {
            throw FileCallError(
                "go into \(FileCallError.text(entry.path))", code: ELOOP,
                detail: "the tree is nested more than \(Self.deepest) directories deep")
        }
        let directory = try entry.parent.open(entry.name, O_RDONLY | O_DIRECTORY)
        levels.append(Level(entry: entry, directory: directory, names: try DirectoryReader(directory)))
        return directory
    }
}
