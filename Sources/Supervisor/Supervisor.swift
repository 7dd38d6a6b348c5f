import AgentProtocol
import Control
import Engine
import Gateway
import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState

/// The life of one sandbox while it has a machine: from its record to the last word about how it ended.
///
/// A tree of tasks: the clients, the listening socket, the machine with its console and agent. The machine's end, or that
/// of the client it belongs to, ends the rest.
public struct Supervisor: Sendable {
    let record: SandboxRecord
    let directory: SandboxDirectory
    let home: Home
    let group: any EventLoopGroup
    let session: Session
    /// Its places in private networks, which are the same as long as it is there.
    let memberships: Result<[NetworkMembership], StateError>
    /// Through which its connections go; `nil` when they go through none.
    let proxy: Result<UpstreamProxy, StateError>?
    /// Who opens its TLS connections; `nil` when nobody does.
    let interceptor: Task<InterceptorProcess, any Error>?
    /// Its published ports while its machine is frozen and goes on for callers.
    let sleepingPorts = SleepingPorts()
    /// Whether the sandbox is just being made: it goes when it does not get ready.
    let isFirstLife: Bool

    /// Supervises the sandbox of `record`.
    /// - Parameters:
    ///   - secrets: the values of its secrets, if it has any.
    ///   - url: of its proxy, if it has one.
    public init(
        _ record: SandboxRecord, _ directory: SandboxDirectory, secrets: Descriptor? = nil, proxy url: String = "",
        in home: Home, on group: any EventLoopGroup
    ) {
        self.record = record
        self.directory = directory
        self.home = home
        self.group = group
        session = Session(directory)
        memberships = Result { () throws(StateError) in try PrivateNetwork.memberships(of: record, in: home) }
        proxy = record.network.proxy.map { reference in
            Result { () throws(StateError) in try UpstreamProxy(url, named: "\(reference)") }
        }
        interceptor = Self.startInterceptor(record, secrets, in: home)
        let life = try? RecordFile.read(SandboxLife.self, from: directory.life)
        isFirstLife = life.map { $0.status == .starting && $0.started == nil } ?? true
    }

    /// How a machine came to its end.
    enum Ending: Sendable {
        /// It was told to stop; why, when nobody asked.
        case stopped(reason: String?)
        /// The main process ended with this status, or could not be started, and then the machine in good order.
        case mainEnded(Int32, reason: String?)
        /// It ended unasked, or never came to be.
        case failed(String)
        /// The client it belonged to has gone, or this process is told to end.
        case abandoned
        /// It was frozen and is to be found on the disk.
        case paused(resumesOnRequest: Bool)
    }

    /// Runs the sandbox to its end, and puts its files into the state they are to be found in. The caller holds the lock.
    /// - Parameter control: the first client, a connected stream socket.
    public func run(client control: Descriptor) async {
        // Before anything happens that it should hear of.
        guard let seat = await takeSeat() else { return }
        let goes = await withTaskGroup(of: Ending?.self) { tasks in
            tasks.addTask {
                await serve(control, seat)
                // A sandbox that goes on without its first client listens for others.
                guard record.endsWithClient else { return nil }
                // What programs have written is the host's, and may still be on its way.
                guard record.writesToHost, await session.isReachable else { return .abandoned }
                await session.order(.stop(graceMilliseconds: 0, reason: nil))
                return nil
            }
            tasks.addTask {
                do { try await listen() } catch is CancellationError { return nil } catch {
                    return .failed("clients cannot be listened to: \(error)")
                }
                return nil
            }
            tasks.addTask { await keepRunning() }
            tasks.addTask { await watchInterceptor() }
            var ending = Ending.abandoned
            for await case let result? in tasks {
                ending = result
                break
            }
            let goes = await finish(ending)
            tasks.cancelAll()
            await endInterceptor()
            return goes
        }
        // Whatever was still at work then may have written something.
        if goes { directory.removeFiles() }
    }

    /// Stops the sandbox in good order, as when the host goes down; one that ends with its client ends at once.
    public func stop() async {
        let grace: UInt32 = record.endsWithClient ? 0 : 5_000
        await session.order(.stop(graceMilliseconds: grace, reason: "its supervisor was told to end"))
    }

    private var id: SandboxID { directory.id }

    /// Starts machines one after the other, as the sandbox's ``RestartPolicy`` says.
    private func keepRunning() async -> Ending {
        var restarts = 0
        var wait = Duration.milliseconds(100)
        if !record.endsWithClient { noteStart(restarts: restarts) }
        while true {
            let begun = ContinuousClock.now
            let ending = await runMachine(restarts: restarts)
            if case .paused(let resumesOnRequest) = ending {
                let hasPorts = resumesOnRequest && !sleepingPorts.isEmpty
                let isWaitedFor = await session.isWaitedFor(resumesOnRequest: resumesOnRequest)
                guard hasPorts || isWaitedFor else { return ending }
                // Clients wait for their processes: they find them as they were when the machine goes on.
                notePause(resumesOnRequest: resumesOnRequest, isOwned: true)
                await session.answerPause()
                // When it was idle somebody may have come and had his request kept.
                let goesOn = resumesOnRequest ? await session.sleep() : false
                if !goesOn, let ending = await (hasPorts ? waitForCaller() : waitWhilePaused()) { return ending }
                noteStart(restarts: restarts)
                continue
            }
            guard wantsRestart(after: ending, restarts), !Task.isCancelled, await session.wasReady else {
                return ending
            }
            // A machine that went on for a while has earned a quick restart.
            if begun.duration(to: .now) > .seconds(10) { wait = .milliseconds(100) }
            restarts += 1
            noteStart(after: ending, restarts: restarts)
            EventLog(home).append(.init(.restart, id, name: record.name, detail: reason(of: ending)))
            await session.dropProcesses(reason(of: ending) ?? "its machine was started again")
            if let ordered = await ordered(within: wait) { return ordered }
            wait = min(wait * 2, .seconds(60))
        }
    }

    /// Notes that a machine is on its way. What is known of an earlier one stays: that tells an old sandbox from a new one.
    private func noteStart(after ending: Ending? = nil, restarts: Int) {
        var life = (try? RecordFile.read(SandboxLife.self, from: directory.life)) ?? SandboxLife(.starting)
        life.status = .starting
        life.reason = ending.flatMap { reason(of: $0) }
        life.ended = nil
        life.restarts = restarts
        life.supervisor = getpid()
        note(life)
    }

    /// Waits while there is no machine; what the sandbox comes to when somebody wants it to end meanwhile.
    private func ordered(within time: Duration) async -> Ending? {
        await session.renewOrders()
        return await withTaskGroup(of: Ending?.self) { tasks in
            tasks.addTask {
                do { try await Task.sleep(for: time) } catch { return .abandoned }
                return nil
            }
            tasks.addTask { await nextOrder() }
            let ending = await tasks.next() ?? nil
            tasks.cancelAll()
            return ending
        }
    }

    /// Waits for somebody who wants the sandbox to end while there is no machine.
    func nextOrder() async -> Ending? {
        for await order in await session.orders {
            switch order {
            case .stop(_, let reason): return .stopped(reason: reason)
            case .kill: return .stopped(reason: nil)
            case .mainEnded, .leave, .wake: continue
            case .pause(_, let asker): await asker.answer(session, .failed("the sandbox has no machine yet"))
            case .resume(let asker): await session.answerWhenReady(asker)
            case .snapshot(_, let asker), .network(_, let asker):
                await session.reply(asker, .failed("the sandbox has no machine yet"))
            }
        }
        return nil
    }

    private func wantsRestart(after ending: Ending, _ restarts: Int) -> Bool {
        switch (ending, record.restart) {
        case (.stopped, _), (.abandoned, _), (.paused, _), (_, .never), (.mainEnded(0, _), .onFailure): false
        case (_, .onFailure(let most)): restarts < most
        case (_, .always): true
        }
    }

    private func reason(of ending: Ending) -> String? {
        switch ending {
        case .stopped(let reason): reason
        case .failed(let reason): reason
        case .mainEnded(_, let reason): reason
        case .abandoned, .paused: nil
        }
    }

    // MARK: The state on disk

    /// Tells clients and the files how the sandbox ended.
    /// - Returns: whether it goes, and all its files with it.
    private func finish(_ ending: Ending) async -> Bool {
        let wasReady = await session.wasReady
        if case .paused(let resumesOnRequest) = ending {
            notePause(resumesOnRequest: resumesOnRequest, isOwned: false)
            await end(nil)
            return false
        }
        if FileTree.exists(directory.frozen), !isFirstLife {
            // It did not go on, and may another time.
            var life = (try? RecordFile.read(SandboxLife.self, from: directory.life)) ?? SandboxLife(.paused)
            life = life.paused(resumesOnRequest: life.resumesOnRequest ?? false)
            life.reason = reason(of: ending)
            note(life, durable: true)
            await end(life.reason ?? "the sandbox was not resumed")
            return false
        }
        let goes = record.removesItself || !wasReady && isFirstLife
        if goes {
            directory.removeFiles()
        } else {
            try? FileTree.removeFile(directory.engine)
            directory.removeFrozenMachine()
            var life = (try? RecordFile.read(SandboxLife.self, from: directory.life)) ?? SandboxLife(.stopped)
            life.status = if case .failed = ending { .crashed } else { .stopped }
            life.reason = reason(of: ending)
            if case .mainEnded(let status, _) = ending { life.exitStatus = status }
            life.ended = Int64(time(nil))
            life.supervisor = nil
            note(life, durable: true)
        }
        let isCrash = if case .failed = ending { true } else { false }
        let event = EventLog.Event(isCrash ? .crash : .stop, id, name: record.name, detail: reason(of: ending))
        EventLog(home).append(event)
        await end(reason(of: ending) ?? (wasReady ? nil : "the sandbox was ended before it was ready"))
        return goes
    }

    /// Takes leave of the clients.
    private func end(_ reason: String?) async {
        await session.end(reason)
        // The last words must not wait for a client that does not read them.
        let patience = Task {
            do { try await Task.sleep(for: .seconds(2)) } catch { return }
            await session.stopWaitingForClients()
        }
        await session.waitForClients()
        patience.cancel()
    }

    func note(_ life: SandboxLife, durable: Bool = false) {
        // On a full disk the sandbox goes on; a free lock still tells that its supervisor is gone.
        try? RecordFile.write(life, to: directory.life, durable: durable)
    }

    func mark(_ stage: String) async {
        await session.tell(.timing(stage: stage, nanoseconds: HostClock.monotonic))
    }
}
