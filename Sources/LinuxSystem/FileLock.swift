import Glibc

/// An advisory lock of flock(2) on a file, held until the last reference goes or the process ends.
///
/// The descriptor is close-on-exec, so that a child that outlives this process does not keep the lock.
public final class FileLock: Sendable {
    /// How the lock is shared with others.
    public enum Mode: Sendable {
        case shared
        case exclusive
    }

    /// The locked file: handing it to another process hands over the lock.
    public let descriptor: Descriptor

    private init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// Waits for the lock, making the file when it is missing. Blocks the calling thread.
    public static func wait(_ path: String, _ mode: Mode = .exclusive) throws(SystemError) -> FileLock {
        let descriptor = try Descriptor(opening: path, O_RDWR | O_CREAT)
        while flock(descriptor.rawValue, mode == .shared ? LOCK_SH : LOCK_EX) != 0 {
            guard errno == EINTR else { throw SystemError("lock", path) }
        }
        return FileLock(descriptor)
    }

    /// Takes the lock when it is free; `nil` when another holds it.
    public static func attempt(_ path: String, _ mode: Mode = .exclusive) throws(SystemError) -> FileLock? {
        let descriptor = try Descriptor(opening: path, O_RDWR | O_CREAT)
        if flock(descriptor.rawValue, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 {
            return FileLock(descriptor)
        }
        guard errno == EWOULDBLOCK else { throw SystemError("lock", path) }
        return nil
    }
}
