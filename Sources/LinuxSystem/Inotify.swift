import Glibc

/// Changes of directories and files as readable bytes: inotify(7).
///
/// It tells that something has changed, not what: whoever is woken looks at the files anew. So events that the kernel drops
/// because too many wait do no harm, nor do those of a change that was seen already.
public struct InotifyDescriptor: Sendable {
    /// What can change.
    public struct Changes: OptionSet, Sendable {
        /// The kernel's bits, `IN_…`.
        public let rawValue: UInt32

        /// The changes with these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// A file was written or shortened: the file that is watched, or one in the directory that is.
        public static let content = Changes(rawValue: UInt32(IN_MODIFY))
        /// A name in the directory came, went, or stands for another file.
        public static let names = Changes(
            rawValue: UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO))
        /// What is watched was removed or renamed.
        public static let removal = Changes(rawValue: UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF))
    }

    /// Readable when something has changed since ``clear()``.
    public let descriptor: Descriptor

    /// Watches nothing yet.
    /// - Throws: ``SystemError``; `EMFILE` when this user has too many.
    public init() throws(SystemError) {
        let number = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard number >= 0 else { throw SystemError("watch files") }
        descriptor = Descriptor(owning: number)
    }

    /// Watches a file or directory, whatever its name is later.
    /// - Throws: ``SystemError``; `ENOENT` when it is missing, `ENOSPC` when this user watches too many.
    public func watch(_ path: String, _ changes: Changes) throws(SystemError) {
        guard inotify_add_watch(descriptor.rawValue, path, changes.rawValue) >= 0 else {
            throw SystemError("watch", path)
        }
    }

    /// Takes note of all changes up to now; to be called before the files are looked at.
    public func clear() {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while read(descriptor.rawValue, &buffer, buffer.count) > 0 {}
    }
}
