import AgentProtocol
import CAgent
import Glibc

/// All that a machine has before it is told who it is: kernel file systems, devices, control groups, limits of the kernel.
///
/// This is done before the agent is ready, once for all machines that go on from a frozen one. So nothing in here may
/// depend on an identity, nor read what the kernel makes at the first look, such as the boot id.
struct PreparedMachine {
    /// The kernel's first root, on which the agent started.
    private(set) var first: Descriptor
    /// The kernel's random number generator.
    let random: Descriptor
    /// `/dev/null`, open for both ways.
    let null: Descriptor
    /// The root of the sandbox's terminals.
    let terminals: Descriptor
    /// Where the sandbox's processes go.
    let controlGroups: ControlGroups
    /// The disks by their serial numbers.
    let disks: [String: BlockDevice]
    /// Where the machine's boot id is read. The first look at the true one makes it, for all machines that go on from a
    /// frozen one: a rehearsal reads an id that is made anew each time.
    private(set) var bootID = "/proc/sys/kernel/random/boot_id"
    /// Whether this is a rehearsal: what is done to the machine passes away with the process that does it.
    private(set) var isRehearsing = false
    private var hasFreshDisk = false
    /// How many files the kernel lets a process open when nobody says otherwise.
    let fileLimit: rlimit

    /// Prepares the machine; `/proc`, `/sys` and `/dev` are mounted.
    init() throws(AgentError) {
        fileLimit = PreparedMachine.raiseFileLimit()
        first = try Descriptor.open("/", O_PATH | O_DIRECTORY)
        random = try Descriptor.open("/dev/urandom", O_WRONLY)
        null = try Descriptor.open("/dev/null", O_RDWR)
        terminals = try PreparedMachine.mountDevices()
        controlGroups = try PreparedMachine.mountControlGroups()
        try PreparedMachine.setKernelParameters()
        try AgentError.check("bring up the loopback interface") { agent_bring_up("lo") }
        try PreparedMachine.bringUpNetwork()
        disks = try BlockDevice.all()
        // A program is read in a few large pieces: an emulated device takes long for each, whatever its length.
        for disk in disks.values {
            try KernelFile.set("/sys/block/\(disk.path.dropFirst(5))/queue/read_ahead_kb", to: "1024")
        }
        try RootFileSystem.makePlaces()
    }

    /// The machine for a process that only rehearses: from here on that has mounts and names of its own.
    func rehearsing() throws(AgentError) -> PreparedMachine {
        try AgentError.check("leave the machine's mounts") { agent_leave_mounts() }
        var machine = self
        // The descriptor leads to the mounts that were left.
        machine.first = try Descriptor.open("/", O_PATH | O_DIRECTORY)
        machine.bootID = "/proc/sys/kernel/random/uuid"
        machine.isRehearsing = true
        return machine
    }

    /// Mounts the fresh disk, if it is not, and makes it one that has never been used.
    mutating func prepareFreshDisk() throws(AgentError) {
        if !hasFreshDisk { try FreshDisk.mount(try disk(FreshDisk.serial)) }
        hasFreshDisk = true
        try FreshDisk.prepare(SystemFiles(hostName: "localhost", machineID: ""))
    }

    /// The disk with this serial number.
    func disk(_ serial: String) throws(AgentError) -> BlockDevice {
        guard let disk = disks[serial] else {
            throw .refused("the machine has no disk with the serial number \(serial)")
        }
        return disk
    }

    /// Lets the agent hold as many descriptors as its streams need.
    /// - Returns: the limit that was, which is what the kernel gives processes.
    private static func raiseFileLimit() -> rlimit {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var raised = rlimit(rlim_cur: 262_144, rlim_max: 262_144)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        return limit
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

    private static func mountControlGroups() throws(AgentError) -> ControlGroups {
        let top = "/sys/fs/cgroup"
        try FileSystemMount("cgroup2", at: top, source: "cgroup", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)).mount()
        // Every other controller costs all programs something: that of processors a tenth of each switch between them.
        // Whoever needs one, a container engine in the sandbox, turns it on.
        try KernelFile.set("\(top)/cgroup.subtree_control", to: "+pids")
        try AgentError.check("make the sandbox's control group") { mkdir("\(top)/sandbox", 0o755) }
        return ControlGroups(parent: try Descriptor.open("\(top)/sandbox", O_RDONLY | O_DIRECTORY))
    }

    /// Gives the network device its addresses and the way out, which are the same in all sandboxes.
    private static func bringUpNetwork() throws(AgentError) {
        let name = GuestNetwork.interface
        let parameters = [
            // Nobody else is there who could have an address or tell of routes.
            ("ipv6/conf/\(name)/accept_dad", "0"), ("ipv6/conf/\(name)/accept_ra", "0"),
            ("ipv6/conf/\(name)/router_solicitations", "0"),
            // What listens on the loopback address only is reached through a published port.
            ("ipv4/conf/\(name)/route_localnet", "1"),
            // Without a carrier nothing can leave, and programs shall hear so at once.
            ("ipv4/conf/\(name)/ignore_routes_with_linkdown", "1"),
            ("ipv6/conf/\(name)/ignore_routes_with_linkdown", "1"),
            // A segment is as long as the usual window.
            ("ipv4/tcp_rmem", "4096 1048576 8388608"), ("ipv4/tcp_wmem", "4096 524288 8388608"),
            ("ipv4/tcp_slow_start_after_idle", "0"),
        ]
        for (parameter, value) in parameters { try KernelFile.set("/proc/sys/net/\(parameter)", to: value) }
        try AgentError.check("take what comes for the loopback address") { agent_accept_loopback(name) }
        for address in GuestNetwork.addresses {
            try AgentError.check("add the address \(address)") { agent_add_address(name, address) }
        }
        try AgentError.check("set up the network device") { agent_spare_work(name) }
        try AgentError.check("bring up the network") { agent_bring_up(name) }
        try addGateways()
    }

    /// Sends all that leaves to the gateway. A change of the hardware address makes the kernel forget where that is.
    static func addGateways() throws(AgentError) {
        for gateway in GuestNetwork.gateways {
            try AgentError.check("add the gateway \(gateway)") {
                GuestNetwork.gatewayHardwareAddress.withUnsafeBufferPointer {
                    agent_add_gateway(GuestNetwork.interface, gateway, $0.baseAddress)
                }
            }
        }
    }

    private static func setKernelParameters() throws(AgentError) {
        let parameters = [
            // Everybody may ping and listen on low ports, as in a container.
            ("net/ipv4/ping_group_range", "0 2147483647"), ("net/ipv4/ip_unprivileged_port_start", "0"),
            // What distributions set, and databases and file watchers ask for.
            ("fs/protected_symlinks", "1"), ("fs/protected_hardlinks", "1"), ("vm/max_map_count", "1048576"),
            ("fs/inotify/max_user_watches", "524288"), ("fs/inotify/max_user_instances", "1024"),
        ]
        for (name, value) in parameters { try KernelFile.set("/proc/sys/\(name)", to: value) }
    }
}
