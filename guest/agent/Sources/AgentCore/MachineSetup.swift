import AgentProtocol
import CAgent
import Glibc

/// Turns the machine that booted into the sandbox that the host asked for: all of it, or an error.
struct MachineSetup {
    let rootFileSystem: RootFileSystem
    let surroundings: ProcessTable.Surroundings

    /// Applies the configuration. Identity first: entropy, clock and name are in force before anything else looks.
    /// - Parameter kernelFileLimit: how many files the kernel lets a process open when nobody says otherwise.
    init(_ configuration: MachineConfiguration, kernelFileLimit: rlimit) throws(AgentError) {
        try MachineSetup.setIdentity(configuration)
        rootFileSystem = try RootFileSystem(imageDisk: configuration.imageDisk, upperDisk: configuration.upperDisk)
        let root = rootFileSystem.root
        let terminals = try MachineSetup.mountDevices()
        let controlGroups = try MachineSetup.mountControlGroups(most: configuration.limits.processes)
        try MachineSetup.writeFiles(in: root, configuration)
        try MachineSetup.setKernelParameters(openFiles: configuration.limits.openFiles)
        try AgentError.check("bring up the loopback interface") { agent_bring_up("lo") }
        for mount in configuration.mounts { try MachineSetup.mount(mount, in: rootFileSystem) }

        let files = UInt64(configuration.limits.openFiles)
        surroundings = ProcessTable.Surroundings(
            environment: configuration.environment,
            limits: [
                ProcessSpecification.ResourceLimit(
                    resource: UInt8(RLIMIT_NOFILE.rawValue),
                    soft: files == 0 ? UInt64(kernelFileLimit.rlim_cur) : files,
                    hard: files == 0 ? UInt64(kernelFileLimit.rlim_max) : files)
            ],
            terminals: terminals, null: try Descriptor.open("/dev/null", O_RDWR), controlGroups: controlGroups,
            users: { () throws(AgentError) in
                UserDatabase(
                    passwd: try root.contents(of: "/etc/passwd", upTo: UserDatabase.largestFile) ?? [],
                    group: try root.contents(of: "/etc/group", upTo: UserDatabase.largestFile) ?? [])
            })
    }

    private static func setIdentity(_ configuration: MachineConfiguration) throws(AgentError) {
        let random = try Descriptor.open("/dev/urandom", O_WRONLY)
        try AgentError.check("add entropy") {
            configuration.entropy.withUnsafeBytes { agent_add_entropy(random.number, $0.baseAddress, $0.count) }
        }
        var time = timespec()
        time.tv_sec = Int(clamping: configuration.wallClock / 1_000_000_000)
        time.tv_nsec = Int(configuration.wallClock % 1_000_000_000)
        try AgentError.check("set the clock") { clock_settime(CLOCK_REALTIME, &time) }

        let name = configuration.hostName.utf8
        guard (1...63).contains(name.count), name.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }) else {
            throw .refused("the host name '\(configuration.hostName)' is not 1 to 63 letters, digits and hyphens")
        }
        try AgentError.check("set the host name") { sethostname(configuration.hostName, name.count) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// Completes /dev, which the kernel fills with its devices.
    /// - Returns: the root of the sandbox's terminals.
    private static func mountDevices() throws(AgentError) -> Descriptor {
        let careful = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        for mount in [
            FileSystemMount(
                "devpts", at: "/dev/pts", flags: UInt(MS_NOSUID | MS_NOEXEC), data: "gid=5,mode=620,ptmxmode=666"),
            FileSystemMount(
                "tmpfs", at: "/dev/shm", source: "shm", flags: UInt(MS_NOSUID | MS_NODEV), data: "mode=1777"),
            FileSystemMount("mqueue", at: "/dev/mqueue", flags: careful),
        ] {
            mkdir(mount.target, 0o755)
            try mount.mount()
        }
        for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
            try AgentError.check("link /dev/\(name)") { symlink("/proc/self/\(target)", "/dev/\(name)") }
        }
        // Modes that udev would set: without them only root could use FUSE and tunnels. Not every kernel has both.
        for device in ["/dev/fuse", "/dev/net/tun"] { chmod(device, 0o666) }
        return try Descriptor.open("/dev/pts", O_PATH | O_DIRECTORY)
    }

    private static func mountControlGroups(most processes: UInt32) throws(AgentError) -> ControlGroups {
        let top = "/sys/fs/cgroup"
        try FileSystemMount("cgroup2", at: top, source: "cgroup", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)).mount()
        let controllers = (KernelFile.text("\(top)/cgroup.controllers") ?? "").split(separator: " ").map { "+\($0)" }
        try KernelFile.set("\(top)/cgroup.subtree_control", to: controllers.joined(separator: " "))
        try AgentError.check("make the sandbox's control group") { mkdir("\(top)/sandbox", 0o755) }
        if processes > 0 { try KernelFile.set("\(top)/sandbox/pids.max", to: "\(processes)") }
        return ControlGroups(parent: try Descriptor.open("\(top)/sandbox", O_RDONLY | O_DIRECTORY))
    }

    /// Makes the files and directories that programs expect and an image may lack.
    private static func writeFiles(in root: RootDirectory, _ configuration: MachineConfiguration) throws(AgentError) {
        if !root.exists("/tmp") { _ = try root.systemDirectory("tmp", mode: 0o1777) }
        if !root.exists("/run") { _ = try root.systemDirectory("run") }

        let id = configuration.machineID
        guard id.utf8.count == 32,
            id.utf8.allSatisfy({ isLetterOrDigit($0) && $0 | 0x20 == $0 && $0 <= UInt8(ascii: "f") })
        else { throw .refused("the machine id '\(id)' is not 32 lower-case hexadecimal digits") }

        let present = try? root.open("/etc", O_PATH | O_DIRECTORY)
        let etc = if let present { present } else { try root.systemDirectory("etc") }
        try root.replaceFile("hostname", in: etc, with: "\(configuration.hostName)\n")
        try root.replaceFile("machine-id", in: etc, with: "\(id)\n")
        try root.replaceFile(
            "hosts", in: etc,
            with: """
                127.0.0.1\tlocalhost
                ::1\tlocalhost ip6-localhost ip6-loopback
                fe00::0\tip6-localnet
                ff00::0\tip6-mcastprefix
                ff02::1\tip6-allnodes
                ff02::2\tip6-allrouters
                127.0.1.1\t\(configuration.hostName)

                """)
        if !root.exists("/etc/resolv.conf") {
            try root.replaceFile("resolv.conf", in: etc, with: "# This sandbox has no name server.\n")
        }
        if !root.exists("/etc/mtab") { symlinkat("/proc/self/mounts", etc.number, "mtab") }
    }

    private static func setKernelParameters(openFiles: UInt32) throws(AgentError) {
        let parameters = [
            // Everybody may ping and listen on low ports, as in a container.
            ("net/ipv4/ping_group_range", "0 2147483647"), ("net/ipv4/ip_unprivileged_port_start", "0"),
            // What distributions set, and databases and file watchers ask for.
            ("fs/protected_symlinks", "1"), ("fs/protected_hardlinks", "1"), ("vm/max_map_count", "1048576"),
            ("fs/inotify/max_user_watches", "524288"), ("fs/inotify/max_user_instances", "1024"),
        ]
        for (name, value) in parameters { try KernelFile.set("/proc/sys/\(name)", to: value) }
        if openFiles > 1_048_576 { try KernelFile.set("/proc/sys/fs/nr_open", to: "\(openFiles)") }
    }

    private static func mount(_ mount: MachineConfiguration.Mount, in fileSystem: RootFileSystem) throws(AgentError) {
        guard mount.target.hasPrefix("/") else { throw .refused("the mount target \(mount.target) is not absolute") }
        let target = try fileSystem.root.makeDirectories(mount.target)
        if mount.type == MachineConfiguration.Mount.scratch {
            return try fileSystem.bindScratch(mount.source, to: target, named: mount.target)
        }
        var prepared = FileSystemMount(
            type: mount.type, source: mount.source, target: mount.target, options: mount.options,
            readOnly: mount.readOnly)
        // The directory that was found, whatever its path leads to by the time of the call.
        prepared.target = "/proc/self/fd/\(target.number)"
        do throws(AgentError) {
            try prepared.mount()
        } catch .system(_, let code) {
            throw .system("mount \(mount.type) at \(mount.target)", code)
        }
    }
}
