import AgentProtocol
import Glibc
import LinuxSystem
import NIOCore
import SandboxState

/// All that a sandbox's mounts need on the host while it has a machine: their servers, the relay between these and the
/// guest, and the volumes' locks.
struct MountServers: Sendable {
    let plan: MountPlan
    let mounts: [SandboxMount]
    /// Carries their messages.
    let relay: MountRelay
    /// By the places of their mounts in ``mounts``.
    private let servers: [Int: MountServer]
    private let locks: [FileLock]

    /// Takes the volumes and starts the servers, which get ready by themselves. Blocks.
    /// - Parameter frozen: the directory of the frozen machine that they go on with, if there is one.
    /// - Throws: `StateError`, `SystemError`, ``SupervisorError``; then nothing is left.
    init(_ record: SandboxRecord, frozen: String? = nil, in home: Home, on loop: any EventLoop) throws {
        mounts = record.mounts
        plan = MountPlan(mounts)
        locks = try Self.hold(record, home)
        let standing = try frozen.map { try FrozenSession(in: $0).mounts }
        var servers: [Int: MountServer] = [:]
        var sockets: [Int: Descriptor] = [:]
        do {
            let installation = mounts.contains(where: \.isServed) ? try Installation() : nil
            for (index, mount) in mounts.enumerated() {
                // One that had ended when its machine was frozen has ended.
                let isWanted = standing?.contains { $0.place == index } ?? true
                guard isWanted, let installation, let (root, limit) = try Self.root(of: mount, home) else { continue }
                let state = try frozen.map { try Descriptor(opening: FrozenMount.state(index, in: $0)) }
                let isFile = try root.status().st_mode & S_IFMT == S_IFREG
                let (server, socket) = try MountServer.start(
                    mount, root: root, isFile: isFile, limit: limit, owner: Self.owner(record), state: state,
                    installation)
                (servers[index], sockets[index]) = (server, socket)
            }
        } catch {
            sockets = [:]
            servers.values.forEach { $0.reap() }
            throw error
        }
        self.servers = servers
        relay = MountRelay(sockets, frozen: standing, on: loop)
    }

    /// To whom files of this process's user belong in the sandbox: the user that its processes run as, when that is known by
    /// number. Where root serves, every user of the sandbox has files of its own.
    private static func owner(_ record: SandboxRecord) -> (user: UInt32, group: UInt32)? {
        let parts = record.defaults.user.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard geteuid() != 0, let user = parts.first ?? nil else { return nil }
        return (user, parts.count > 1 ? parts[1] ?? 0 : 0)
    }

    /// The locks of the sandbox's volumes, each once.
    private static func hold(_ record: SandboxRecord, _ home: Home) throws -> [FileLock] {
        guard let id = SandboxID(record.id) else { return [] }
        let volumes = Dictionary(grouping: record.mounts.filter { $0.type == .volume }, by: { $0.source ?? "" })
        return try volumes.sorted { $0.key < $1.key }.map { name, mounts in
            guard let name = VolumeName(name) else { throw StateError.noSuchVolume(name) }
            return try Volume(name, in: home).hold(readOnly: mounts.allSatisfy(\.readOnly), for: id)
        }
    }

    /// What a mount shows, open as a place, and how much may lie below it; `nil` for memory.
    private static func root(of mount: SandboxMount, _ home: Home) throws -> (Descriptor, Int64?)? {
        switch mount.type {
        case .memory: return nil
        case .volume:
            guard let name = mount.source.flatMap({ VolumeName($0) }) else {
                throw StateError.noSuchVolume(mount.source ?? "")
            }
            let volume = Volume(name, in: home)
            return (try Descriptor(opening: volume.data, openAsPlace | O_DIRECTORY), try volume.record.size)
        case .host:
            do throws(SystemError) {
                let root = try Descriptor(opening: mount.source ?? "", openAsPlace)
                let kind = try root.status().st_mode & S_IFMT
                guard kind == S_IFDIR || kind == S_IFREG else { throw SystemError("open", number: EINVAL) }
                return (root, nil)
            } catch {
                let reason =
                    switch error.number {
                    case ENOENT: "there is no such directory or file on the host any more"
                    case EINVAL: "it is neither a directory nor a regular file"
                    default: "\(error)"
                    }
                throw SupervisorError.mount(mount, reason: reason)
            }
        }
    }

    /// What a mount is to the guest.
    func guestMount(_ index: Int) -> GuestMount {
        let mount = mounts[index]
        let kind: GuestMount.Kind =
            mount.isServed ? servers[index]?.isFile == true ? .file : .directory : .memory
        return GuestMount(kind, target: mount.target, readOnly: mount.readOnly, options: MountPlan.options(mount))
    }

    /// Waits until all servers are ready. Blocks.
    /// - Throws: ``SupervisorError/mount(_:reason:)``.
    func waitUntilReady() throws { for server in servers.values { try server.waitUntilReady() } }

    /// Writes down what the servers know, beside a frozen machine. The guest is silent, and the relay held.
    /// - Returns: where the relay stands with them.
    /// - Throws: ``SupervisorError/mount(_:reason:)`` and others, when they could not go on from there.
    func save(to directory: String, durable: Bool) async throws -> [FrozenMount] {
        let sent = try await relay.sent()
        if sent.isEmpty { return [] }
        let counts = try await Supervisor.onThread {
            try sent.reduce(into: [Int: UInt64]()) { counts, next in
                let file = try Descriptor(
                    opening: FrozenMount.state(next.key, in: directory), O_RDWR | O_CREAT | O_EXCL)
                counts[next.key] = try servers[next.key]?.save(sent: next.value, to: file)
                if durable { try file.synchronize() }
            }
        }
        return try await relay.frozen(counts)
    }

    /// Ends the servers, and waits for that. Their machine has ended.
    func end() async {
        await relay.close()
        guard !servers.isEmpty else { return }
        try? await DedicatedThread.value { servers.values.forEach { $0.reap() } }
        withExtendedLifetime(locks) {}
    }
}

/// `O_PATH` of openat(2), which the C library shows only to those that define _GNU_SOURCE.
private let openAsPlace: Int32 = 0o10000000
