import Glibc

/// Operations on names in the file system.
public enum FileTree {
    /// Makes a directory, and those above it that are missing, with this mode. Existing ones stay as they are.
    public static func makeDirectory(_ path: String, mode: mode_t = 0o700) throws(SystemError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SystemError("make directory", path)
        }
        try makeDirectory(String(path[..<slash]), mode: mode)
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw SystemError("make directory", path) }
    }

    /// Whether something has this name (a link that leads nowhere counts).
    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Renames as rename(2) does.
    public static func rename(_ path: String, to newPath: String) throws(SystemError) {
        guard Glibc.rename(path, newPath) == 0 else { throw SystemError("rename to", newPath) }
    }

    /// Removes a file or link; a missing one is no error.
    public static func removeFile(_ path: String) throws(SystemError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
    }

    /// Removes a directory and all in it, without following links; a missing one is no error.
    public static func removeTree(_ path: String) throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw SystemError("remove", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try removeFile(path) }
        // What its owner may not look into can still be removed by its owner.
        if status.st_mode & S_IRWXU != S_IRWXU { chmod(path, S_IRWXU) }
        for name in try names(in: path) { try removeTree(path + "/" + name) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
    }

    /// How many bytes of disk a file, or a directory with all in it, takes; what cannot be looked at counts nothing.
    public static func diskUsage(_ path: String) -> Int64 {
        var status = stat()
        guard lstat(path, &status) == 0 else { return 0 }
        // The kernel counts in units of 512 bytes, whatever the file system's block is.
        let own = Int64(status.st_blocks) * 512
        guard status.st_mode & S_IFMT == S_IFDIR, let names = try? names(in: path) else { return own }
        return names.reduce(own) { $0 + diskUsage("\(path)/\($1)") }
    }

    /// How many bytes of disk a directory with all in it takes: those of files that have no other name, and all.
    public static func exclusiveDiskUsage(_ path: String) -> (own: Int64, all: Int64) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return (0, 0) }
        let size = Int64(status.st_blocks) * 512
        guard status.st_mode & S_IFMT == S_IFDIR, let names = try? names(in: path) else {
            return (status.st_nlink > 1 ? 0 : size, size)
        }
        return names.reduce((size, size)) { sum, name in
            let part = exclusiveDiskUsage("\(path)/\(name)")
            return (sum.0 + part.own, sum.1 + part.all)
        }
    }

    /// Copies a directory of directories and plain files of this user's, if it is there, holes included.
    public static func copyTree(_ path: String, to newPath: String) throws(SystemError) {
        try reproduce(path, newPath, copyFile)
    }

    /// Copies a plain file to a new one, holes included.
    public static func copyFile(_ path: String, to newPath: String) throws(SystemError) {
        let original = try Descriptor(opening: path)
        let copy = try Descriptor(opening: newPath, O_RDWR | O_CREAT | O_EXCL)
        try SparseCopy(from: original, to: copy).run()
        guard fchmod(copy.rawValue, try original.status().st_mode & 0o777) == 0 else {
            throw SystemError("set the mode of", newPath)
        }
    }

    /// Gives the files of a directory of directories and plain files second names in a new one; where that cannot be, it
    /// copies them.
    public static func linkTree(_ path: String, to newPath: String) throws(SystemError) {
        try reproduce(path, newPath) { source, target throws(SystemError) in
            if link(source, target) == 0 { return }
            guard [EXDEV, EMLINK, EPERM, EOPNOTSUPP].contains(errno) else { throw SystemError("link", source) }
            try copyFile(source, to: target)
        }
    }

    private static func reproduce(
        _ path: String, _ newPath: String, _ file: (String, String) throws(SystemError) -> Void
    ) throws(SystemError) {
        guard exists(path) else { return }
        try makeDirectory(newPath)
        for name in try names(in: path) {
            let (source, target) = ("\(path)/\(name)", "\(newPath)/\(name)")
            var status = stat()
            guard lstat(source, &status) == 0 else { throw SystemError("look at", source) }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try reproduce(source, target, file)
            case S_IFREG: try file(source, target)
            default: throw SystemError("copy", source, number: EINVAL)
            }
        }
    }

    /// Names in a directory, sorted, without `.` and `..`; empty when there is no such directory.
    public static func names(in path: String) throws(SystemError) -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemError("list", path)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            // The kernel ends d_name with NUL inside the entry, which stays valid until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Reads a whole file of at most `limit` bytes.
    public static func read(_ path: String, limit: Int = 16 << 20) throws(SystemError) -> [UInt8] {
        do { return try Descriptor(opening: path).readAll(limit: limit) } catch {
            throw SystemError("read", path, number: error.number)
        }
    }

    /// Writes a file so that readers see the old content or the new one, never a part: through a new file and rename.
    /// - Parameter durable: whether content and name are on the disk when this returns.
    public static func writeAtomically(
        _ bytes: [UInt8], to path: String, mode: mode_t = 0o600, durable: Bool = false
    ) throws(SystemError) {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).new"
        do {
            let file = try Descriptor(opening: temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
            try file.write(bytes)
            if durable { try file.synchronize() }
            try rename(temporary, to: path)
            if durable { try synchronizeDirectory(of: path) }
        } catch {
            unlink(temporary)
            throw SystemError("write", path, number: error.number)
        }
    }

    /// Brings the names in the directory that holds `path` to the disk.
    public static func synchronizeDirectory(of path: String) throws(SystemError) {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let directory = try Descriptor(opening: parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY)
        guard fsync(directory.rawValue) == 0 else { throw SystemError("synchronize", parent) }
    }
}
