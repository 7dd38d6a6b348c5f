import Glibc

/// Removes files and trees without following a link.
public enum TreeRemoval {
    /// Removes what has a name in a directory; a directory that is not empty only when `recursive`.
    public static func remove(_ name: [UInt8], in directory: OpenFile, recursive: Bool) throws(FileCallError) {
        var walk = TreeWalk(of: name, in: directory)
        while let step = try walk.next() {
            switch step {
            case .entry(let entry) where !entry.isDirectory: try unlink(entry, 0)
            case .entry(let entry) where recursive: try walk.descend(into: entry)
            case .entry(let entry), .leave(let entry): try unlink(entry, AT_REMOVEDIR)
            }
        }
    }

    private static func unlink(_ entry: TreeWalk.Entry, _ flags: Int32) throws(FileCallError) {
        do throws(FileCallError) {
            try FileCallError.check("remove \(FileCallError.text(entry.path.isEmpty ? entry.name : entry.path))") {
                unlinkat(entry.parent.number, cText(entry.name), flags)
            }
        } catch {
            // Somebody else was faster, and that is what was asked for; but the root itself must have been there.
            guard error.code == ENOENT, !entry.path.isEmpty else { throw error }
        }
    }
}
