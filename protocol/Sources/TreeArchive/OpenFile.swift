import CFileSystem
import Glibc

/// A file descriptor that closes itself; always close-on-exec.
public final class OpenFile: Sendable {
    /// The descriptor's number, valid as long as this object lives.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Opens a path as the kernel sees it, links followed: for what the caller, and no stranger, named.
    public static func open(_ path: [UInt8], _ flags: Int32) throws(FileCallError) -> OpenFile {
        OpenFile(
            owning: try FileCallError.check("open \(FileCallError.text(path))") {
                files_open_at(AT_FDCWD, cText(path), flags, 0)
            })
    }

    /// Opens a name in this directory, which must be a single component or `.`; a symbolic link is not followed.
    public func open(_ name: [UInt8], _ flags: Int32, mode: mode_t = 0) throws(FileCallError) -> OpenFile {
        OpenFile(
            owning: try FileCallError.check("open \(FileCallError.text(name))") {
                files_open_at(number, cText(name), flags | O_NOFOLLOW, mode)
            })
    }

    /// Opens the directory at a path of plain names below this one, following no link: an empty path is this one.
    public func directory(_ path: some Collection<UInt8>) throws(FileCallError) -> OpenFile {
        var current = self
        for name in path.split(separator: UInt8(ascii: "/")) {
            current = try current.open(Array(name), files_open_path | O_DIRECTORY)
        }
        return current
    }

    /// Opens what this names once more, for reading or writing.
    public func reopen(_ flags: Int32) throws(FileCallError) -> OpenFile {
        OpenFile(owning: try FileCallError.check("open it") { files_reopen(number, flags | O_NONBLOCK | O_NOCTTY) })
    }

    /// What fstat(2) says.
    public func status() throws(FileCallError) -> stat {
        var status = stat()
        try FileCallError.check("look at it") { fstat(number, &status) }
        return status
    }

    /// What fstatat(2) says of a name in this directory, not following it.
    public func status(of name: [UInt8]) throws(FileCallError) -> stat {
        var status = stat()
        try FileCallError.check("look at \(FileCallError.text(name))") {
            fstatat(number, cText(name), &status, AT_SYMLINK_NOFOLLOW)
        }
        return status
    }

    /// The target of the symbolic link with this name.
    public func target(of name: [UInt8]) throws(FileCallError) -> [UInt8] {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try FileCallError.check("read the link \(FileCallError.text(name))") {
            readlinkat(number, cText(name), &target, target.count)
        }
        return target.prefix(count).map { UInt8(bitPattern: $0) }
    }

    /// Reads at most `count` bytes at an offset; fewer only at the end of the file.
    public func read(_ count: Int, at offset: Int64) throws(FileCallError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(number, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset) + filled)
                if got == 0 { break }
                if got > 0 {
                    filled += got
                } else if errno != EINTR {
                    failure = errno
                    break
                }
            }
        }
        guard failure == 0 else { throw FileCallError("read it", code: failure) }
        return bytes
    }

    /// Writes all bytes at an offset.
    public func write(_ bytes: ArraySlice<UInt8>, at offset: Int64) throws(FileCallError) {
        var done = 0
        while done < bytes.count {
            done += try FileCallError.check("write it") {
                bytes.withUnsafeBytes { buffer in
                    pwrite(number, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + done)
                }
            }
        }
    }

    /// The place in /proc under which calls that take a path only reach this very file.
    public var procPath: String { "/proc/self/fd/\(number)" }
}
