import CLinux
import Glibc

/// Looking for bytes in bytes, as fast as the C library does.
public enum ByteSearch {
    /// Where `byte` first is, from `start` on.
    public static func first(_ byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress, start >= 0,
            let found = memchr(base + start, Int32(byte), bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Where `pattern` first is, from `start` on.
    public static func first(_ pattern: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
        guard start >= 0, start < bytes.count, let base = bytes.baseAddress, !pattern.isEmpty,
            let found = linux_find_bytes(base + start, bytes.count - start, pattern, pattern.count)
        else { return nil }
        return found - base
    }
}
