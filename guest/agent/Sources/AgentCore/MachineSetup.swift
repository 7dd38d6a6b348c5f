import AgentProtocol
import CAgent
import Glibc

/// Turns the prepared machine into the sandbox that the host asked for: all of it, or an error.
struct MachineSetup {
    let rootFileSystem: RootFileSystem
    let surroundings: ProcessTable.Surroundings
    /// What the machine is now, for the host to compare with what it asked for.
    let confirmation: Confirmation

    /// Applies the configuration. Identity first: entropy, clock and names are in force before anything else looks.
    init(_ configuration: MachineConfiguration, on machine: PreparedMachine) throws(AgentError) {
        let identity = try Identity(configuration, machine)
        rootFileSystem = try RootFileSystem(
            image: try machine.disk(configuration.imageDisk),
            upper: configuration.upperIsFresh ? nil : try machine.disk(configuration.upperDisk), first: machine.first,
            files: SystemFiles(hostName: configuration.hostName, machineID: configuration.machineID))
        let root = rootFileSystem.root
        if !root.exists("/tmp") { _ = try root.systemDirectory("tmp", mode: 0o1777) }
        if !root.exists("/run") { _ = try root.systemDirectory("run") }
        let limits = configuration.limits
        // Also where there is none: the machine may have had one before, in a rehearsal.
        try KernelFile.set(
            "/sys/fs/cgroup/sandbox/pids.max", to: limits.processes > 0 ? "\(limits.processes)" : "max")
        if limits.openFiles > 1_048_576 { try KernelFile.set("/proc/sys/fs/nr_open", to: "\(limits.openFiles)") }
        for mount in configuration.mounts { try MachineSetup.mount(mount, in: rootFileSystem) }
        if let trust = configuration.trust { try TrustStore(trust: trust, root: root).install() }

        let files = UInt64(limits.openFiles)
        surroundings = ProcessTable.Surroundings(
            environment: configuration.environment,
            limits: [
                ProcessSpecification.ResourceLimit(
                    resource: UInt8(RLIMIT_NOFILE.rawValue),
                    soft: files == 0 ? UInt64(machine.fileLimit.rlim_cur) : files,
                    hard: files == 0 ? UInt64(machine.fileLimit.rlim_max) : files)
            ],
            terminals: machine.terminals, null: machine.null, controlGroups: machine.controlGroups,
            users: { () throws(AgentError) in
                UserDatabase(
                    passwd: try root.contents(of: "/etc/passwd", upTo: UserDatabase.largestFile) ?? [],
                    group: try root.contents(of: "/etc/group", upTo: UserDatabase.largestFile) ?? [])
            })
        confirmation = try identity.confirmation(root)
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
