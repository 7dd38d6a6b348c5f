import CLinux
import Glibc

/// How much a tree takes, where that is limited: the blocks of its files, and a little for each name, so that names
/// without content are not without end either.
///
/// Counted once when serving starts, and from then on as the guest changes it. What the host changes meanwhile is not
/// noticed.
struct SpaceAccount {
    /// What a name counts, in bytes.
    static let perName: UInt64 = 512

    let limit: UInt64
    private(set) var used: UInt64

    init(limit: UInt64, used: UInt64 = 0) {
        self.limit = limit
        self.used = used
    }

    /// How many bytes are left.
    var left: UInt64 { used < limit ? limit - used : 0 }

    /// Throws `ENOSPC` when there is no room for so many bytes.
    func require(_ bytes: UInt64) throws(ErrorNumber) { if left < bytes { throw ErrorNumber(ENOSPC) } }

    /// Counts what a file takes now instead of what it took.
    mutating func change(from before: linux_file_status, to after: linux_file_status) {
        remove(Self.bytes(before))
        add(Self.bytes(after))
    }

    /// Counts more.
    mutating func add(_ bytes: UInt64) {
        let (sum, overflow) = used.addingReportingOverflow(bytes)
        used = overflow ? .max : sum
    }

    /// Counts less.
    mutating func remove(_ bytes: UInt64) { used -= min(used, bytes) }

    /// What a file's content takes on the disk. A directory's are its names, which are counted.
    static func bytes(_ status: linux_file_status) -> UInt64 {
        if status.mode & FileKind.mask == FileKind.directory { return 0 }
        let (bytes, overflow) = status.blocks.multipliedReportingOverflow(by: 512)
        return overflow ? .max : bytes
    }

    /// Counts all below an open directory, or one file. What cannot be looked at counts nothing.
    mutating func count(_ root: Int32) {
        var status = linux_file_status()
        guard linux_file_status_at(root, "", &status) == 0 else { return }
        add(Self.bytes(status))
        guard status.mode & FileKind.mask == FileKind.directory else { return }
        var seen: Set<FileIdentity> = []
        var open: [(descriptor: Int32, names: [ContiguousArray<CChar>])] = []
        func names(_ descriptor: Int32) -> [ContiguousArray<CChar>] {
            var directories: [ContiguousArray<CChar>] = []
            let listing = DirectoryListing()
            while let entry = try? listing.peek(descriptor) {
                listing.advance(past: entry)
                guard FileName.isPlain(entry.name.bytes),
                    linux_file_status_at(descriptor, entry.name.pointer, &status) == 0
                else { continue }
                let name = ContiguousArray(UnsafeBufferPointer(start: entry.name.pointer, count: entry.name.count + 1))
                add(Self.perName)
                if status.mode & FileKind.mask == FileKind.directory { directories.append(name) }
                if status.links == 1 || seen.insert(FileIdentity(status)).inserted { add(Self.bytes(status)) }
            }
            return directories
        }
        let first = linux_open_below(root, ".", O_RDONLY | O_DIRECTORY, 0)
        guard first >= 0 else { return }
        open.append((first, names(first)))
        while let last = open.indices.last {
            guard let name = open[last].names.popLast() else {
                close(open.removeLast().descriptor)
                continue
            }
            let next = name.withUnsafeBufferPointer {
                linux_open_below(open[last].descriptor, $0.baseAddress, O_RDONLY | O_DIRECTORY, 0)
            }
            if next >= 0 { open.append((next, names(next))) }
        }
    }
}
