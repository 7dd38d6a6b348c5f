import Glibc

/// The writable disk of a sandbox that has never run.
///
/// All of them begin alike, so this one is mounted and prepared once, before the machine is frozen; a fork finds a copy of
/// it in the same place. A sandbox that has run before has its disk behind another device; this one then stays as it is.
enum FreshDisk {
    /// The serial number of its device.
    static let serial = "fresh"
    static let place = "/disk"
    static let upper = place + "/upper"
    static let work = place + "/work"

    /// Mounts a disk for writing, perhaps over another one.
    static func mount(_ disk: BlockDevice) throws(AgentError) {
        // The lazy initialiser of inode tables would dirty every sandbox's disk for nothing.
        let options = disk.discards ? "noinit_itable,discard" : "noinit_itable"
        try FileSystemMount("ext4", at: place, source: disk.path, flags: UInt(MS_NOATIME), data: options).mount()
    }

    /// Makes the mounted disk one of a sandbox that has never run, whatever was on it.
    static func prepare(_ files: SystemFiles) throws(AgentError) {
        try removeTree(upper)
        try removeTree(work)
        try makeDirectories()
        try AgentError.check("make /etc") { mkdir(upper + "/etc", 0o755) }
        // Those that every sandbox gets its own content of are empty: to write is less work than to replace.
        for file in files.files { try files.write(file, toUpper: upper, empty: !file.isCommon) }
        symlink(SystemFiles.mountTable, upper + "/etc/mtab")
        // All of it is on the disk: nothing of this machine's is left to be written by its forks.
        sync()
    }

    /// Makes the overlay's two directories; the upper one is the sandbox's root.
    /// - Returns: whether that was not there before.
    @discardableResult
    static func makeDirectories() throws(AgentError) -> Bool {
        if mkdir(work, 0o700) < 0 && errno != EEXIST { throw .system("make \(work)", errno) }
        if mkdir(upper, 0o755) == 0 { return true }
        guard errno == EEXIST else { throw .system("make \(upper)", errno) }
        return false
    }

    /// Gives a directory the owner and the mode of another.
    static func take(_ status: stat, for path: String) throws(AgentError) {
        var own = stat()
        try AgentError.check("look at \(path)") { lstat(path, &own) }
        if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid) {
            try AgentError.check("set the owner of \(path)") { chown(path, status.st_uid, status.st_gid) }
        }
        if own.st_mode & 0o7777 != status.st_mode & 0o7777 {
            try AgentError.check("set the mode of \(path)") { chmod(path, status.st_mode & 0o7777) }
        }
    }

    private static func removeTree(_ path: String) throws(AgentError) {
        if unlink(path) == 0 || errno == ENOENT { return }
        for name in try DirectoryListing.names(in: path) { try removeTree("\(path)/\(name)") }
        try AgentError.check("remove \(path)") { rmdir(path) }
    }
}
