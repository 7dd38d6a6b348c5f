import Glibc

/// The names in a directory, one at a time.
public final class DirectoryReader {
    private let directory: OpaquePointer

    /// Reads from the start of an open directory.
    public init(_ file: OpenFile) throws(FileCallError) {
        // A description of its own: the position is not shared.
        let number = try FileCallError.check("open a directory") {
            openat(file.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        guard let opened = fdopendir(number) else {
            let code = errno
            close(number)
            throw FileCallError("list a directory", code: code)
        }
        directory = opened
    }

    deinit { closedir(directory) }

    /// The next name, which is neither `.` nor `..`; `nil` at the end.
    public func next() throws(FileCallError) -> [UInt8]? {
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno == 0 { return nil }
                throw FileCallError("list a directory", code: errno)
            }
            // The kernel ends a name with NUL within the record it wrote.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: UInt8.self, capacity: 256) {
                    Array(UnsafeBufferPointer(start: $0, count: strnlen($0, 256)))
                }
            }
            if name != [UInt8(ascii: ".")] && name != [UInt8(ascii: "."), UInt8(ascii: ".")] { return name }
        }
    }

    private func strnlen(_ text: UnsafePointer<UInt8>, _ most: Int) -> Int {
        var length = 0
        while length < most && text[length] != 0 { length += 1 }
        return length
    }
}
