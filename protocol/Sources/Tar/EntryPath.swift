import Glibc

/// Names of entries as they stand in an image: components joined by `/`, without a leading or trailing one, none of
/// them empty, `.` or `..`. The empty path is the root.
public enum EntryPath {
    /// The longest path, in bytes.
    public static let maximumLength = 4096
    /// The longest name in a path, in bytes.
    public static let maximumNameLength = 255
    /// What joins names.
    public static let slash = UInt8(ascii: "/")
    private static let dot = UInt8(ascii: ".")

    /// Cleans the name of an archive entry lexically, as umoci and containerd do: `/a`, `./a` and `x/../a` are `a`,
    /// and `..` at the root stays there. Replaces what `path` holds, keeping its storage.
    public static func clean(_ raw: UnsafeRawBufferPointer, into path: inout [UInt8]) throws(TarError) {
        path.removeAll(keepingCapacity: true)
        guard raw.count > 0, let base = raw.baseAddress else { return }
        guard memchr(base, 0, raw.count) == nil else { throw TarError(entry: raw, "the name contains a NUL byte") }
        var start = 0
        while start < raw.count {
            let end = memchr(base + start, Int32(slash), raw.count - start).map { UnsafeRawPointer($0) - base }
            let component = UnsafeRawBufferPointer(rebasing: raw[start..<(end ?? raw.count)])
            start = (end ?? raw.count) + 1
            if component.isEmpty || (component.count == 1 && component[0] == dot) { continue }
            if component.count == 2 && component[0] == dot && component[1] == dot {
                path.removeSubrange((path.lastIndex(of: slash) ?? 0)...)
                continue
            }
            guard component.count <= maximumNameLength else {
                throw TarError(entry: component, "the name is longer than \(maximumNameLength) bytes")
            }
            if !path.isEmpty { path.append(slash) }
            path.append(contentsOf: component)
            guard path.count <= maximumLength else {
                throw TarError(entry: path, "the path is longer than \(maximumLength) bytes")
            }
        }
    }

    /// Whether `path` is clean.
    public static func isClean(_ path: UnsafeRawBufferPointer) -> Bool {
        if path.isEmpty { return true }
        guard path.count <= maximumLength, let base = path.baseAddress, memchr(base, 0, path.count) == nil else {
            return false
        }
        var start = 0
        while start <= path.count {
            let end = start == path.count ? nil : memchr(base + start, Int32(slash), path.count - start)
            let length = (end.map { UnsafeRawPointer($0) - base } ?? path.count) - start
            guard length > 0, length <= maximumNameLength, !isDots(path, start, length) else { return false }
            start += length + 1
        }
        return true
    }

    private static func isDots(_ path: UnsafeRawBufferPointer, _ start: Int, _ length: Int) -> Bool {
        length <= 2 && path[start] == dot && path[start + length - 1] == dot
    }

    /// The length of the directory part of `path`, its slash included; 0 for a name in the root.
    public static func directoryLength(_ path: UnsafeRawBufferPointer) -> Int {
        var length = path.count
        while length > 0, path[length - 1] != slash { length -= 1 }
        return length
    }
}
