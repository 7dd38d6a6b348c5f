import Glibc

/// Small files of /proc and /sys, trusted: they are the kernel's.
enum KernelFile {
    /// The content without its line end; `nil` when it cannot be read.
    static func text(_ path: String) -> String? {
        guard let file = try? Descriptor.open(path, O_RDONLY),
            let bytes = try? file.readAll(upTo: 65_536, from: path)
        else { return nil }
        return String(decoding: bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }

    /// Writes the whole content in one write.
    static func set(_ path: String, to text: String) throws(AgentError) {
        let file = try Descriptor.open(path, O_WRONLY)
        try file.writeAll(Array(text.utf8), to: path)
    }
}

/// The names in a directory.
enum DirectoryListing {
    /// All names but `.` and `..`, in the order the file system gives.
    static func names(in path: String) throws(AgentError) -> [String] {
        guard let directory = opendir(path) else { throw .system("list \(path)", errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            // The kernel ends a name with NUL within the record it wrote.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}
