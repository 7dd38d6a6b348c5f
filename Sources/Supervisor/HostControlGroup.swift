import Glibc
import LinuxSystem

/// The control group of one engine, where the host has delegated some of its cgroup v2 tree to the user.
///
/// See the kernel's `admin-guide/cgroup-v2`: a controller works in the children of a group that lists it in
/// `cgroup.subtree_control`, and a process may be moved within the part of the tree whose `cgroup.procs` the user may write.
struct HostControlGroup {
    /// The group's directory.
    let path: String

    /// What a sandbox's share of the host can be held to.
    enum Limit: String, CaseIterable {
        case cpu = "cpu.max"
        case disk = "io.max"
    }

    /// Makes a group for the sandbox in the delegated tree that is nearest to this process and has a controller.
    /// - Throws: ``SystemError``, `ENOENT` when there is no such tree.
    init(_ name: String) throws(SystemError) {
        guard let mount = Self.mountPoint(), let own = Self.ownGroup() else {
            throw SystemError("find a control group", "cgroup v2", number: ENOENT)
        }
        var group = own[...]
        while true {
            let parent = mount + group
            let controllers = Self.text(parent + "/cgroup.subtree_control").split(separator: " ")
            let candidate = "\(parent)/sandpiper-\(name)"
            if controllers.contains("cpu") || controllers.contains("io"),
                mkdir(candidate, 0o755) == 0 || errno == EEXIST
            {
                path = candidate
                return
            }
            guard let slash = group.lastIndex(of: "/"), !group.isEmpty else { break }
            group = group[..<slash]
        }
        throw SystemError("find a control group", "none is delegated to this user", number: ENOENT)
    }

    /// Moves a process into the group.
    func add(_ pid: Int32) throws(SystemError) { try write("cgroup.procs", "\(pid)") }

    /// Holds the group to a percentage of one processor.
    func limitProcessor(percent: Int) throws(SystemError) { try write(Limit.cpu.rawValue, "\(percent * 1000) 100000") }

    /// Holds the group to so many bytes a second, reading and writing each, on the disk that holds `file`.
    func limitDisk(bytesPerSecond: Int64, of file: String) throws(SystemError) {
        var status = stat()
        guard stat(file, &status) == 0 else { throw SystemError("look at", file) }
        let (major, minor) = Self.disk(of: status.st_dev)
        try write(Limit.disk.rawValue, "\(major):\(minor) rbps=\(bytesPerSecond) wbps=\(bytesPerSecond)")
    }

    /// Removes the group, whose processes must be gone.
    func remove() { rmdir(path) }

    private func write(_ file: String, _ text: String) throws(SystemError) {
        let target = try Descriptor(opening: "\(path)/\(file)", O_WRONLY)
        do { try target.write(Array(text.utf8)) } catch {
            throw SystemError("write '\(text)' to", "\(path)/\(file)", number: error.number)
        }
    }

    /// The whole disk of a partition: limits are a matter of disks.
    private static func disk(of device: dev_t) -> (UInt32, UInt32) {
        // As makedev(3) of glibc puts the two together.
        let major = UInt32(truncatingIfNeeded: (device >> 8) & 0xfff | (device >> 32) & 0xffff_f000)
        let minor = UInt32(truncatingIfNeeded: device & 0xff | (device >> 12) & 0xffff_ff00)
        let sys = "/sys/dev/block/\(major):\(minor)"
        guard FileTree.exists(sys + "/partition") else { return (major, minor) }
        let parent = text(sys + "/../dev").split(separator: ":").compactMap { UInt32($0) }
        return parent.count == 2 ? (parent[0], parent[1]) : (major, minor)
    }

    /// Where cgroup v2 is mounted, from `/proc/self/mountinfo`.
    private static func mountPoint() -> String? {
        for line in text("/proc/self/mountinfo").split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            let fields = line.split(separator: " ")
            if halves.count == 2, halves[1].hasPrefix("cgroup2 "), fields.count > 4 { return String(fields[4]) }
        }
        return nil
    }

    /// This process's group below the mount point, `""` for the topmost.
    private static func ownGroup() -> String? {
        for line in text("/proc/self/cgroup").split(separator: "\n") where line.hasPrefix("0::/") {
            let path = line.dropFirst(3)
            return path == "/" ? "" : String(path)
        }
        return nil
    }

    private static func text(_ path: String) -> String {
        let bytes = (try? FileTree.read(path, limit: 1 << 20)) ?? []
        return String(decoding: bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }
}
