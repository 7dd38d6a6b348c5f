import CLinux
import Glibc

/// An open file descriptor, closed when the last reference goes. Always close-on-exec.
public final class Descriptor: Sendable {
    /// The kernel's number, valid as long as this object lives.
    public let rawValue: Int32

    /// Takes ownership of an open descriptor.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { if rawValue >= 0 { close(rawValue) } }

    /// A second descriptor for the open file behind `number`, which stays as it is.
    public convenience init(duplicating number: Int32) throws(SystemError) {
        let copy = linux_fcntl(number, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw SystemError("duplicate descriptor \(number)") }
        self.init(owning: copy)
    }

    /// Opens a file as openat(2) does; a relative `path` starts at `directory`, or at the working directory.
    /// - Throws: ``SystemError``.
    public convenience init(
        opening path: String, _ flags: Int32 = O_RDONLY, mode: mode_t = 0o600, at directory: Descriptor? = nil
    ) throws(SystemError) {
        var number: Int32
        repeat {
            number = linux_openat(directory?.rawValue ?? AT_FDCWD, path, flags, mode)
        } while number < 0 && errno == EINTR
        guard number >= 0 else { throw SystemError("open", path) }
        self.init(owning: number)
    }

    /// An anonymous file in memory, named `name` in `/proc`.
    public static func memory(_ name: String) throws(SystemError) -> Descriptor {
        let number = linux_memfd(name, 0)
        guard number >= 0 else { throw SystemError("memfd_create", name) }
        return Descriptor(owning: number)
    }

    /// An anonymous file of zeros that nobody can write to, though it is open for writing: every write fails with `EPERM`.
    /// See "File sealing" in fcntl(2).
    /// - Parameter length: in bytes; it takes no memory.
    public static func zeros(_ name: String, length: Int64) throws(SystemError) -> Descriptor {
        let allowsSeals: UInt32 = 2
        let file = Descriptor(owning: linux_memfd(name, allowsSeals))
        // F_ADD_SEALS: no more seals, shorter or longer, nor written.
        guard file.rawValue >= 0, ftruncate(file.rawValue, off_t(length)) == 0,
            linux_fcntl(file.rawValue, 1033, 0x1 | 0x2 | 0x4 | 0x8) == 0
        else { throw SystemError("make a file of zeros", name) }
        return file
    }

    /// Opens the same file anew, with a position of its own and perhaps other rights.
    public func reopened(_ flags: Int32 = O_RDONLY) throws(SystemError) -> Descriptor {
        // The name leads to the file only as long as this descriptor is open.
        defer { withExtendedLifetime(self) {} }
        return try Descriptor(opening: "/proc/self/fd/\(rawValue)", flags)
    }

    /// A connected pair of unix sockets.
    /// - Parameter keepsMessages: whether each write is one message that a read gets whole, instead of a stream of bytes.
    public static func socketPair(keepsMessages: Bool = false) throws(SystemError) -> (Descriptor, Descriptor) {
        var pair: [Int32] = [-1, -1]
        let type = keepsMessages ? SOCK_SEQPACKET : SOCK_STREAM
        guard socketpair(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
            throw SystemError("socketpair")
        }
        return (Descriptor(owning: pair[0]), Descriptor(owning: pair[1]))
    }

    /// Lets a socket hold so many bytes each way, or as many as the host allows.
    public func setBuffers(bytes: Int32) {
        var bytes = bytes
        for option in [SO_SNDBUF, SO_RCVBUF] {
            setsockopt(rawValue, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// A pipe: its reading and its writing end.
    public static func pipe() throws(SystemError) -> (read: Descriptor, write: Descriptor) {
        var pair: [Int32] = [-1, -1]
        guard linux_pipe(&pair) == 0 else { throw SystemError("pipe") }
        return (Descriptor(owning: pair[0]), Descriptor(owning: pair[1]))
    }

    /// A second descriptor for the same open file, with a number of at least `atLeast`.
    public func duplicate(atLeast: Int32 = 3) throws(SystemError) -> Descriptor {
        Descriptor(owning: try duplicateForTransfer(atLeast: atLeast))
    }

    /// Turns blocking reads and writes off or on.
    public func setNonblocking(_ nonblocking: Bool) throws(SystemError) {
        let flags = linux_fcntl(rawValue, F_GETFL, 0)
        guard flags >= 0 else { throw SystemError("fcntl") }
        let wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
        guard linux_fcntl(rawValue, F_SETFL, Int(wanted)) == 0 else { throw SystemError("fcntl") }
    }

    /// What fstat(2) tells.
    public func status() throws(SystemError) -> stat {
        var status = stat()
        guard fstat(rawValue, &status) == 0 else { throw SystemError("stat") }
        return status
    }
}

extension Descriptor {
    /// Reads at most `buffer.count` bytes; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = Glibc.read(rawValue, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw SystemError("read") }
        }
    }

    /// Reads at most `buffer.count` bytes at `offset`; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int {
        while true {
            let count = pread(rawValue, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw SystemError("read") }
        }
    }

    /// Fills all of `buffer` from `offset` on.
    /// - Throws: ``SystemError``: `EIO` when the file ends before that.
    public func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = try read(into: rest, at: offset + Int64(filled))
            guard count > 0 else { throw SystemError("read a file that became shorter", number: EIO) }
            filled += count
        }
    }

    /// Writes all of `buffer`.
    public func write(_ buffer: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = Glibc.write(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw SystemError("write")
            }
        }
    }

    /// Writes all of `buffer` at `offset`, leaving the file position alone.
    public func write(_ buffer: UnsafeRawBufferPointer, at offset: Int64) throws(SystemError) {
        var rest = buffer[...]
        var position = off_t(offset)
        while !rest.isEmpty {
            let count = pwrite(rawValue, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, position)
            if count >= 0 {
                rest = rest.dropFirst(count)
                position += off_t(count)
            } else if errno != EINTR {
                throw SystemError("write")
            }
        }
    }

    /// Writes all of `bytes`.
    public func write(_ bytes: [UInt8]) throws(SystemError) {
        let result = bytes.withUnsafeBytes { buffer in Result { () throws(SystemError) in try write(buffer) } }
        try result.get()
    }

    /// Everything up to the end of the file.
    /// - Parameter limit: more bytes than this throw `EFBIG`.
    public func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let result = chunk.withUnsafeMutableBytes { buffer in
                Result { () throws(SystemError) in try read(into: buffer) }
            }
            let count = try result.get()
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw SystemError("read", number: EFBIG) }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Brings the file's data to the disk.
    public func synchronize() throws(SystemError) {
        guard fdatasync(rawValue) == 0 else { throw SystemError("fdatasync") }
    }
}

extension Descriptor {
    /// A second descriptor for the same open file, to be given to code that takes ownership of its number and closes it.
    public func duplicateForTransfer(atLeast: Int32 = 3) throws(SystemError) -> Int32 {
        let number = linux_fcntl(rawValue, F_DUPFD_CLOEXEC, Int(atLeast))
        guard number >= 0 else { throw SystemError("duplicate a descriptor") }
        return number
    }
}
