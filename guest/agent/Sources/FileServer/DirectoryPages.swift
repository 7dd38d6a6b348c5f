import FileProtocol
import Glibc
import TreeArchive

/// The names in a directory with what they are, some at a time.
final class DirectoryPages {
    /// So many entries, each at most 400 bytes long, are one response.
    private static let page = 2_000

    private let directory: OpenFile
    private let names: DirectoryReader

    init(_ directory: OpenFile) throws(FileCallError) {
        self.directory = directory
        names = try DirectoryReader(directory)
    }

    /// The next entries; none at the end.
    func next() throws(FileCallError) -> [DirectoryEntry] {
        var entries: [DirectoryEntry] = []
        while entries.count < Self.page, let name = try names.next() {
            let status: stat
            do throws(FileCallError) { status = try directory.status(of: name) } catch {
                // Gone since its name was read.
                if error.code == ENOENT { continue }
                throw error
            }
            entries.append(DirectoryEntry(name: name, status: FileStatus(status)))
        }
        return entries
    }
}
