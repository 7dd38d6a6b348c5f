import Glibc

/// The writable disk of a sandbox that has never run.
///
/// All of them begin alike, so the disk is mounted and prepared once, before the machine is frozen; its forks find a copy
/// of it in the same place. It is mounted read-only: a machine that is given another disk drops it and has changed nothing.
enum FreshDisk {
    static let place = "/disk"
    static let upper = place + "/upper"
    static let work = place + "/work"

    /// The lazy initialiser of inode tables would dirty every sandbox's disk for nothing.
    private static func options(_ disk: BlockDevice) -> String { disk.discards ? "noinit_itable,discard" : "noinit_itable" }

    /// Mounts a disk for writing.
    static func mount(_ disk: BlockDevice) throws(AgentError) {
        try FileSystemMount("ext4", at: place, source: disk.path, flags: UInt(MS_NOATIME), data: options(disk)).mount()
    }

    /// Takes the disk that was mounted before the machine was frozen.
    static func thaw(_ disk: BlockDevice) throws(AgentError) {
        try FileSystemMount(
            "ext4", at: place, source: disk.path, flags: UInt(MS_REMOUNT | MS_NOATIME), data: options(disk)
        ).mount()
    }

    /// Drops the disk that was mounted before the machine was frozen, if there is one.
    static func drop() { umount2(place, 0) }

    /// Mounts a disk and makes it one of a sandbox that has never run, whatever was on it.
    static func make(on disk: BlockDevice) throws(AgentError) {
        drop()
        try mount(disk)
        try removeTree(upper)
        try removeTree(work)
        try makeDirectories()
        try AgentError.check("make /etc") { mkdir(upper + "/etc", 0o755) }
        for name in SystemFiles.ownNames {
            let path = "\(upper)/etc/\(name)"
            _ = Descriptor(try AgentError.check("make \(path)") { open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644) })
        }
        sync()
        try AgentError.check("make the fresh disk read-only") {
            Glibc.mount(nil, place, nil, UInt(MS_REMOUNT | MS_RDONLY | MS_NOATIME), nil)
        }
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
