import CAgent
import Glibc

/// The sandbox's root: the image, read-only, under a writable disk.
///
/// The kernel starts the agent on a root of its own that holds nothing but the agent. Over it goes the overlay, moved
/// onto `/`, so that it is the root of the mount namespace and not a mere chroot: making user namespaces and
/// pivot_root work inside.
struct RootFileSystem {
    /// The kernel's first root, below the sandbox's; from there the disks are unmounted in the end.
    let first: Descriptor
    /// The sandbox's root.
    let root: RootDirectory

    /// Makes the directories to mount on, on the kernel's first root.
    static func makePlaces() throws(AgentError) {
        for directory in ["/image", "/disk", "/sandbox"] {
            try AgentError.check("make \(directory)") { mkdir(directory, 0o755) }
        }
    }

    /// Mounts the disks and makes the result the root of this process.
    /// - Parameters:
    ///   - disk: the writable disk, when it is not ``FreshDisk``.
    ///   - first: the kernel's first root.
    ///   - files: what the sandbox gets in its /etc.
    init(
        image: BlockDevice, upper disk: BlockDevice?, first: Descriptor, files: SystemFiles
    ) throws(AgentError) {
        self.first = first
        try FileSystemMount("erofs", at: "/image", source: image.path, flags: UInt(MS_RDONLY)).mount()
        let isNew: Bool
        let hasFiles: Bool
        if let disk {
            try FreshDisk.mount(disk)
            isNew = try FreshDisk.makeDirectories()
            hasFiles = false
        } else {
            isNew = true
            hasFiles = try files.write(toUpper: FreshDisk.upper, over: "/image")
        }
        if isNew {
            var status = stat()
            try AgentError.check("look at the image's root") { stat("/image", &status) }
            try FreshDisk.take(status, for: FreshDisk.upper)
        }
        // redirect_dir: directories of the image can be renamed. index: hard links of the image stay links when one
        // is written. metacopy: a chown or chmod does not copy the file. All three act on what the upper disk says; in
        // the only lower layer they are not looked for.
        try FileSystemMount(
            "overlay", at: "/sandbox",
            data: "lowerdir=/image,upperdir=/disk/upper,workdir=/disk/work,redirect_dir=on,index=on,metacopy=on"
        ).mount()

        let sandbox = try Descriptor.open("/sandbox", O_PATH | O_DIRECTORY)
        let place = RootDirectory(sandbox)
        // /proc goes last: the moves find their target through it.
        for name in ["sys", "dev", "proc"] {
            let target = try place.systemDirectory(name, mode: name == "dev" ? 0o755 : 0o555)
            try AgentError.check("move /\(name) into the sandbox") {
                mount("/\(name)", "/proc/self/fd/\(target.number)", nil, UInt(MS_MOVE), nil)
            }
        }
        try AgentError.check("enter the sandbox's root") { fchdir(sandbox.number) }
        try AgentError.check("make the sandbox's root the root") { mount(".", "/", nil, UInt(MS_MOVE), nil) }
        try AgentError.check("enter the sandbox's root") { chroot(".") }
        try AgentError.check("enter the sandbox's root") { chdir("/") }
        root = place
        if !hasFiles { try files.write(in: root) }
    }

    /// Shows a directory of the writable disk itself at `target`, outside the overlay: overlays can be made on it.
    /// - Parameter name: tells it from others; it keeps its content as long as the disk.
    func bindScratch(_ name: String, to target: Descriptor, named path: String) throws(AgentError) {
        guard !name.isEmpty, name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .refused("'\(name)' is no number of a scratch directory")
        }
        let parent = "/proc/self/fd/\(first.number)/disk/scratch"
        if mkdir(parent, 0o700) < 0 && errno != EEXIST { throw .system("make the scratch directories", errno) }
        if mkdir("\(parent)/\(name)", 0o755) < 0 && errno != EEXIST { throw .system("make a scratch directory", errno) }
        try AgentError.check("show a scratch directory at \(path)") {
            Glibc.mount("\(parent)/\(name)", "/proc/self/fd/\(target.number)", nil, UInt(MS_BIND), nil)
        }
    }

    /// Writes all of the disk's files to it. Other file systems are left out: what the host serves, this process would wait
    /// for.
    func synchronize() throws(AgentError) {
        let disk = try AgentError.check("open the disk") {
            openat(first.number, "disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        let directory = Descriptor(disk)
        try AgentError.check("write the disk") { agent_synchronize(directory.number) }
    }

    /// Leaves the sandbox's root and unmounts everything of it; all its processes must be gone.
    /// - Throws: when the disk could be made neither unmounted nor read-only.
    func unmount() throws(AgentError) {
        umount2("/", Int32(MNT_DETACH))
        try AgentError.check("leave the sandbox's root") { fchdir(first.number) }
        try AgentError.check("leave the sandbox's root") { chroot(".") }
        sync()
        umount2("image", 0)
        if umount2("disk", 0) == 0 { return }
        try AgentError.check("make the writable disk read-only") {
            mount(nil, "disk", nil, UInt(MS_REMOUNT | MS_RDONLY), nil)
        }
    }
}

/// A disk of the machine.
struct BlockDevice {
    let path: String
    /// Whether freed blocks can be given back to the host.
    let discards: Bool

    /// All disks, by the serial numbers that the host gave them.
    static func all() throws(AgentError) -> [String: BlockDevice] {
        var disks: [String: BlockDevice] = [:]
        for name in try DirectoryListing.names(in: "/sys/block") {
            guard let serial = KernelFile.text("/sys/block/\(name)/serial") else { continue }
            let most = KernelFile.text("/sys/block/\(name)/queue/discard_max_bytes")
            disks[serial] = BlockDevice(path: "/dev/\(name)", discards: most.map { $0 != "0" } ?? false)
        }
        return disks
    }
}
