import CLinux
import Glibc

/// Entries of an open directory, read from the kernel some at a time.
///
/// The guest asks for what follows a position; positions are the host's file system's own, which stay good while entries
/// come and go, and when another server opens the directory.
final class DirectoryListing {
    /// One of `struct linux_dirent64`.
    struct Entry {
        let inode: UInt64
        /// Where the entry after this one is.
        let next: UInt64
        let kind: UInt8
        let name: RequestName
    }

    private static let size = 32 << 10

    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: DirectoryListing.size, alignment: 8)
    private var filled = 0
    private var taken = 0
    /// The position of the entry that comes next.
    private var position: UInt64 = 0

    deinit { memory.deallocate() }

    /// Goes to a position.
    func seek(_ descriptor: Int32, to offset: UInt64) throws(ErrorNumber) {
        if position == offset { return }
        guard let target = Int64(exactly: offset) else { throw ErrorNumber(EINVAL) }
        try check(lseek(descriptor, off_t(target), SEEK_SET))
        (filled, taken) = (0, 0)
        position = offset
    }

    /// The next entry, without passing over it; `nil` at the end. Its name is valid until the next call.
    func peek(_ descriptor: Int32) throws(ErrorNumber) -> Entry? {
        if taken >= filled {
            filled = try check(linux_directory_entries(descriptor, memory.baseAddress, memory.count))
            taken = 0
            guard filled > 0 else { return nil }
        }
        var reader = MessageReader(UnsafeRawBufferPointer(rebasing: memory[taken..<filled]))
        let (inode, next, _, kind): (UInt64, UInt64, UInt16, UInt8) = (
            try reader.number(), try reader.number(), try reader.number(), try reader.number()
        )
        // The kernel ends a name with NUL within the record it wrote.
        return Entry(inode: inode, next: next, kind: kind, name: try reader.text())
    }

    /// Passes over an entry that was peeked at.
    func advance(past entry: Entry) {
        var reader = MessageReader(UnsafeRawBufferPointer(rebasing: memory[taken..<filled]))
        // Its length stands behind two numbers of eight bytes.
        guard (try? reader.skip(16)) != nil, let length = try? reader.number(UInt16.self), length > 0 else {
            taken = filled
            return
        }
        taken += Int(length)
        position = entry.next
    }
}
