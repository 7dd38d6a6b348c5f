import AgentProtocol
import Control
import Engine
import FrozenMachine
import Glibc
import LinuxSystem
import NIOPosix
import SandboxState

/// A machine that was stopped to be frozen and does not go on: the sandbox has failed.
struct BrokenByFreezing: Error, CustomStringConvertible {
    let description: String
}

extension Supervisor {
    /// Freezes the machine, writes it down, and ends it. When that cannot be, it goes on.
    /// - Throws: ``BrokenByFreezing`` when it does not go on either.
    func pause(_ started: StartedMachine, _ mounts: MountServers) async throws {
        let directory = directory
        let writer = try await Self.onThread {
            try FileTree.removeTree(directory.frozenWork)
            return try FrozenMachineWriter(directory.frozenWork, started.kind)
        }
        do {
            try await standingStill(started, mounts, writesDisk: false, goesOn: false) {
                let captured = try await writer.capture(started.machine)
                let frozen = try await frozenSession(mounts, in: directory.frozenWork, durable: true)
                try await Self.onThread {
                    try frozen.write(to: directory.frozenWork, durable: true)
                    try Descriptor(opening: directory.upperDisk, O_RDWR).synchronize()
                    try writer.finish(captured, durable: true)
                    // Nothing fails after this: a machine that goes on must leave no frozen one behind.
                    try FileTree.rename(directory.frozenWork, to: directory.frozen)
                    try? FileTree.synchronizeDirectory(of: directory.frozen)
                }
            }
        } catch {
            try? FileTree.removeTree(directory.frozenWork)
            throw error
        }
        await session.beginStopping()
        started.machine.kill()
        _ = await started.machine.waitForExit()
    }

    /// Makes a snapshot of the machine and its disk at one instant.
    /// - Throws: ``BrokenByFreezing`` when the machine does not go on.
    func snapshot(
        _ request: SnapshotRequest, of started: StartedMachine, _ mounts: MountServers
    ) async throws -> SnapshotRecord {
        if request.isTemporary { try record.checkFork() }
        guard let id = SandboxID(request.id) else { throw StateError.noSuchSnapshot(request.id) }
        let (snapshot, directory, home) = (SnapshotDirectory(id, in: home), directory, home)
        let machinePath = snapshot.work + "/" + SnapshotDirectory.machineName
        let isDurable = !request.isTemporary
        do {
            let (writer, last) = try await Self.onThread { () -> (FrozenMachineWriter?, FrozenMemory?) in
                if let name = request.name, let other = try? SnapshotDirectory.find(name, in: home),
                    other.1.name == name
                {
                    throw StateError.snapshotNameInUse(name, other.0.id)
                }
                try snapshot.begin(directory.id, isTemporary: request.isTemporary)
                if request.diskOnly { return (nil, nil) }
                let last = request.isTemporary ? nil : Self.lastMemory(of: directory.id, in: home)
                return (try FrozenMachineWriter(machinePath, started.kind), last)
            }
            let begun = HostClock.monotonic
            let (captured, frozen) = try await standingStill(
                started, mounts, writesDisk: request.diskOnly, goesOn: true
            ) { () async throws -> (FrozenMachineWriter.Captured?, FrozenSession?) in
                try await started.machine.pause()
                let captured = try await writer?.capture(started.machine, over: last)
                let frozen =
                    writer == nil ? nil : try await frozenSession(mounts, in: machinePath, durable: isDurable)
                try await Self.onThread {
                    try FileTree.copyFile(
                        directory.upperDisk, to: snapshot.work + "/" + SnapshotDirectory.diskName)
                    if writer != nil {
                        try FileTree.copyTree(directory.jobs, to: snapshot.work + "/" + SnapshotDirectory.jobsName)
                    }
                }
                return (captured, frozen)
            }
            let record = SnapshotRecord(
                id: request.id, name: request.name, created: Int64(time(nil)),
                sandbox: (try? RecordFile.read(SandboxRecord.self, from: directory.record)) ?? record,
                hasMemory: !request.diskOnly, pause: (HostClock.monotonic - begun) / 1000)
            try await Self.onThread {
                if let writer, let captured {
                    try frozen?.write(to: machinePath, durable: isDurable)
                    try writer.finish(captured, durable: isDurable)
                }
                if isDurable {
                    snapshot.shareDisk(of: directory.id)
                    try Descriptor(opening: snapshot.work + "/" + SnapshotDirectory.diskName, O_RDWR).synchronize()
                }
                try snapshot.publish(record, durable: isDurable)
            }
            return record
        } catch {
            try? FileTree.removeTree(snapshot.work)
            throw error
        }
    }

    /// The memory of a sandbox's last snapshot, to which the next one refers for what did not change since.
    private static func lastMemory(of sandbox: SandboxID, in home: Home) -> FrozenMemory? {
        let others = (try? SnapshotDirectory.all(in: home)) ?? []
        let last = others.last { $0.1.sandbox.id == sandbox.description && $0.1.hasMemory }
        // It is as good without: the other may be removed at this moment.
        let memory = last.flatMap { try? FrozenMachine(in: $0.0.machine).memory }
        memory?.prefetch()
        return memory
    }

    /// What is kept beside a frozen machine, the states of its mounts' servers already there.
    private func frozenSession(
        _ mounts: MountServers, in directory: String, durable: Bool
    ) async throws -> FrozenSession {
        var frozen = await session.frozen
        frozen.mounts = try await mounts.save(to: directory, durable: durable)
        return frozen
    }

    /// Does something while the agent is silent, and the machine stands as soon as it is stopped; lets both go on then.
    /// - Parameter goesOn: whether they go on also when all went well.
    private func standingStill<Result: Sendable>(
        _ started: StartedMachine, _ mounts: MountServers, writesDisk: Bool, goesOn: Bool,
        _ body: () async throws -> Result
    ) async throws -> Result {
        // What is on its way to the guest must have come before it falls silent.
        await mounts.relay.hold()
        do {
            try await session.freeze(writesDisk: writesDisk)
        } catch {
            await mounts.relay.release()
            throw error
        }
        do {
            // The engine must be in the middle of no frame: whoever goes on from here has another gateway.
            try await started.network?.gateway.hold()
            try await started.machine.pause()
            try await started.network?.gateway.settle()
            let result = try await body()
            if goesOn { try await goOn(started, mounts) }
            return result
        } catch let error as BrokenByFreezing {
            throw error
        } catch {
            try await goOn(started, mounts)
            throw error
        }
    }

    private func goOn(_ started: StartedMachine, _ mounts: MountServers) async throws {
        do {
            try await started.machine.resume()
            try await session.thaw(Thawing(isNew: false, isElsewhere: false, try await identity(diskIsFresh: false)))
            await mounts.relay.release()
            await started.network?.gateway.release()
        } catch { throw BrokenByFreezing(description: "the machine did not go on after it was frozen: \(error)") }
    }

    /// Runs what blocks on a thread that may.
    static func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await NIOThreadPool.singleton.runIfActive(body)
    }

    // MARK: While there is no machine

    /// Notes that the machine is frozen.
    func notePause(resumesOnRequest: Bool, isOwned: Bool) {
        var life = ((try? RecordFile.read(SandboxLife.self, from: directory.life)) ?? SandboxLife(.paused)).paused(
            resumesOnRequest: resumesOnRequest)
        life.reason = resumesOnRequest ? "it was idle" : nil
        if isOwned { life.supervisor = getpid() }
        note(life, durable: true)
        try? FileTree.removeFile(directory.engine)
        EventLog(home).append(.init(.pause, directory.id, name: record.name, detail: life.reason))
    }

    /// Waits until somebody wants something of a sandbox that was paused when it was idle, a caller at its published ports
    /// included.
    /// - Returns: as ``waitWhilePaused()``.
    func waitForCaller() async -> Ending? {
        await withTaskGroup(of: Ending?.self) { tasks in
            tasks.addTask { await waitWhilePaused() }
            tasks.addTask {
                await sleepingPorts.waitForCaller()
                return Task.isCancelled ? .abandoned : nil
            }
            let ending = await tasks.next() ?? nil
            tasks.cancelAll()
            return ending
        }
    }

    /// Waits, for the sake of clients with processes in it, until the frozen machine is to go on or the sandbox to end.
    /// - Returns: how it ends; `nil` when it is to go on.
    func waitWhilePaused() async -> Ending? {
        for await order in await session.orders {
            switch order {
            case .resume(let asker):
                await session.answerWhenReady(asker)
                return nil
            case .stop(_, let reason):
                directory.removeFrozenMachine()
                return .stopped(reason: reason)
            case .kill:
                directory.removeFrozenMachine()
                return .stopped(reason: nil)
            case .leave: if sleepingPorts.isEmpty { return .paused(resumesOnRequest: false) }
            case .wake: return nil
            case .pause(_, let asker):
                guard !sleepingPorts.isEmpty else {
                    await asker.answer(session, .done)
                    continue
                }
                await session.answerAtEnd(asker)
                return .paused(resumesOnRequest: false)
            case .network(.ports, let asker): await session.reply(asker, .ports(sleepingPorts.all))
            case .snapshot(_, let asker), .network(_, let asker):
                await session.reply(asker, .failed("the sandbox is paused; resume it first"))
            case .mainEnded: continue
            }
        }
        return .abandoned
    }
}

extension Session.Request? {
    /// Answers whoever asked, if anybody did.
    func answer(_ session: Session, _ reply: ControlReply) async {
        if let request = self { await session.reply(request, reply) }
    }
}
