import AgentProtocol
import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState

extension Supervisor {
    /// Runs one machine to its end, and the servers of its mounts beside it.
    func runMachine(restarts: Int) async -> Ending {
        let mounts: MountServers
        do {
            let (record, directory, home, loop) = (record, directory, home, group.next())
            // They get ready while the machine wakes.
            mounts = try await Self.onThread {
                let frozen = FileTree.exists(directory.frozen) ? directory.frozen : nil
                return try MountServers(record, frozen: frozen, in: home, on: loop)
            }
        } catch { return Task.isCancelled ? .abandoned : .failed("\(error)") }
        let ending = await runMachine(mounts, restarts: restarts)
        await mounts.end()
        return ending
    }

    /// Puts the mounts in their places in the configured machine.
    /// - Throws: ``SupervisorError/mount(_:reason:)`` when one cannot be made.
    func place(_ mounts: MountServers) async throws {
        if mounts.plan.stages.isEmpty { return }
        try await Self.onThread { try mounts.waitUntilReady() }
        for stage in mounts.plan.stages { try await place(stage, of: mounts) }
        await mark("mounts in place")
    }

    /// Tells of servers that end, until cancelled.
    func tellOfLost(_ mounts: MountServers) async {
        for await index in mounts.relay.lost {
            if await session.isStopping { continue }
            let mount = mounts.mounts[index]
            let detail = "the server of the mount at \(mount.target) has ended: its files cannot be reached any more"
            EventLog(home).append(.init(.unmount, directory.id, name: record.name, detail: detail))
            await session.tell(.notice("sandbox \(record.name ?? record.id): \(detail)"))
        }
    }

    private func place(_ stage: [Int], of mounts: MountServers) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for index in stage {
                tasks.addTask {
                    do {
                        try await mounts.relay.place(mounts.guestMount(index), index)
                    } catch let error as StartFailure {
                        // Why the machine is no more, whoever waits for its end can tell better.
                        if error == MountRelay.gone { try await Task.sleep(for: .seconds(2)) }
                        throw SupervisorError.mount(mounts.mounts[index], reason: error.detail)
                    }
                }
            }
            try await tasks.waitForAll()
        }
    }
}

extension SandboxRecord {
    /// Whether programs in the sandbox can change files of the host.
    var writesToHost: Bool { mounts.contains { $0.isServed && !$0.readOnly } }
}
