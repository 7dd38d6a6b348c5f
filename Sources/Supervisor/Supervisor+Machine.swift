import AgentProtocol
import Control
import Engine
import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import SandboxState

extension Supervisor {
    /// Longest time from the start of the engine to the agent's confirmation, in seconds. Generous: an emulated machine on
    /// a busy host takes many times the usual.
    static let bootLimit = 120
    /// How long the machine may take to end when its processes are gone, in milliseconds.
    private static let patience: UInt32 = 10_000
    /// How long processes get to end when the main one has, or nobody says otherwise, in milliseconds.
    private static let usualGrace: UInt32 = 2_000

    /// Runs one machine to its end.
    func runMachine(_ mounts: MountServers, restarts: Int) async -> Ending {
        await mark("supervisor started")
        do {
            let console = try ConsoleLog(path: directory.console)
            guard let started = try await startUnlessOrdered(mounts) else { return .stopped(reason: nil) }
            await mark("engine started")
            // Whatever ends the tasks below ends the machine first, since one of them waits for it.
            let ending = await withTaskCancellationHandler {
                await run(started, console, mounts, restarts: restarts)
            } onCancel: {
                started.machine.kill()
            }
            await started.end()
            // Nobody but an idle sandbox is woken by callers.
            if case .paused(resumesOnRequest: true) = ending {} else { sleepingPorts.close() }
            if case .paused = ending {
                await session.machinePaused()
            } else {
                await session.machineEnded()
                try? FileTree.removeTree(directory.origin)
            }
            HostLimits(record.limits, directory).release()
            return ending
        } catch {
            return Task.isCancelled ? .abandoned : .failed("\(error)")
        }
    }

    /// Starts the machine, which may take long: a template may have to be made first. `nil` when the sandbox is to end.
    private func startUnlessOrdered(_ mounts: MountServers) async throws -> StartedMachine? {
        await session.renewOrders()
        let machine = try await withThrowingTaskGroup(of: StartedMachine?.self) { tasks in
            tasks.addTask { try await startMachine(mounts) }
            tasks.addTask {
                _ = await nextOrder()
                return nil
            }
            let first = try await tasks.next() ?? nil
            tasks.cancelAll()
            if first == nil { while let late = await tasks.nextResult() { await (try? late.get())?.end() } }
            return first
        }
        await session.renewOrders()
        return machine
    }

    /// Serves clients and agent of a machine until it ends.
    func run(_ started: StartedMachine, _ console: ConsoleLog, _ mounts: MountServers, restarts: Int) async -> Ending {
        let machine = started.machine
        return await withTaskGroup(of: Ending?.self) { tasks in
            // The end of the console is not the end of the machine: waitForExit tells that, and how.
            tasks.addTask {
                try? await console.follow(.bytes(machine.console, on: group))
                return nil
            }
            tasks.addTask {
                try? await console.follow(.pipe(machine.messages, on: group))
                return nil
            }
            tasks.addTask {
                do { try await serveAgent(started, console, mounts, restarts: restarts) } catch is CancellationError {
                    return .abandoned
                } catch { return .failed("\(error)") }
                return nil
            }
            tasks.addTask { await obeyOrders(started, mounts) }
            if let network = started.network {
                tasks.addTask {
                    await recordNetwork(network)
                    return nil
                }
                tasks.addTask {
                    for await areUsed in network.use { await session.notePorts(areUsed: areUsed) }
                    return nil
                }
            }
            tasks.addTask { await watchTime() }
            tasks.addTask {
                // The guest's clock stands while the host sleeps.
                if let changes = try? WallClockWatch.changes() { for await _ in changes { await session.setClock() } }
                return nil
            }
            tasks.addTask { await watchIdleness() }
            tasks.addTask {
                do { try await Task.sleep(for: .seconds(Self.bootLimit)) } catch { return nil }
                if await session.isReachable { return nil }
                return .failed(
                    "\(SupervisorError.notReady(seconds: Self.bootLimit, console: await console.tail()))")
            }
            tasks.addTask {
                let exit = await machine.waitForExit()
                // A machine that is told to stop ends in the course of that.
                if await session.isStopping { return nil }
                return .failed("\(SupervisorError.machineEnded(exit, console: await console.tail(lines: 100)))")
            }
            var ending = Ending.abandoned
            for await result in tasks {
                guard let result else { continue }
                ending = result
                break
            }
            machine.kill()
            tasks.cancelAll()
            return ending
        }
    }

    // MARK: What ends a machine

    private func obeyOrders(_ started: StartedMachine, _ mounts: MountServers) async -> Ending? {
        let machine = started.machine
        // Whether its processors stand, its memory kept.
        var stands = false
        for await order in await session.orders {
            do {
                switch order {
                case .resume(let asker):
                    if stands { try await goOnInMemory(machine) }
                    stands = false
                    await session.reply(asker, .done)
                // It is awake.
                case .wake: break
                case .stop, .mainEnded, .kill, .leave: if stands { try await goOnInMemory(machine) }
                case .pause(let keepsMemory, let asker):
                    if stands { try await goOnInMemory(machine) }
                    stands = keepsMemory
                    guard keepsMemory else {
                        try await pause(started, mounts)
                        await session.answerAtEnd(asker)
                        return .paused(resumesOnRequest: asker == nil)
                    }
                    try await stand(machine)
                    await asker.answer(session, .done)
                case .snapshot(let request, let asker):
                    guard !stands else {
                        await session.reply(asker, .failed("the sandbox is paused; resume it first"))
                        continue
                    }
                    let snapshot = try await snapshot(request, of: started, mounts)
                    EventLog(home).append(
                        .init(.snapshot, directory.id, name: record.name, detail: snapshot.name ?? snapshot.id))
                    await session.reply(asker, .snapshot(snapshot))
                case .network(let request, let asker):
                    await session.reply(asker, await change(started.network, request))
                }
            } catch let error as BrokenByFreezing {
                return .failed("\(error)")
            } catch {
                switch order {
                case .pause(_, let asker): await asker.answer(session, .failed("\(error)"))
                case .resume(let asker), .snapshot(_, let asker), .network(_, let asker):
                    await session.reply(asker, .failed("\(error)"))
                default: return .failed("\(error)")
                }
                continue
            }
            switch order {
            case .pause, .resume, .snapshot, .leave, .network, .wake: continue
            case .kill:
                await session.beginStopping()
                return .stopped(reason: nil)
            case .stop(let grace, let reason):
                await stop(machine, mounts, grace)
                return .stopped(reason: reason)
            case .mainEnded(let status, let reason):
                await stop(machine, mounts, Self.usualGrace)
                return .mainEnded(status, reason: reason)
            }
        }
        return nil
    }

    /// Stops the machine's processors.
    private func stand(_ machine: any Machine) async throws {
        try await machine.pause()
        notePause(resumesOnRequest: false, isOwned: true)
    }

    private func goOnInMemory(_ machine: any Machine) async throws {
        try await machine.resume()
        await session.setClock()
        var life = (try? RecordFile.read(SandboxLife.self, from: directory.life)) ?? SandboxLife(.running)
        life.status = .running
        life.reason = nil
        note(life)
        EventLog(home).append(.init(.resume, directory.id, name: record.name))
    }

    /// Has the agent end all processes, write the disk and turn the machine off; returns when it has, or has not in time.
    private func stop(_ machine: any Machine, _ mounts: MountServers, _ grace: UInt32) async {
        await session.beginStopping()
        // What goes away with the machine needs no writing.
        guard await session.isReachable, !record.removesItself || grace > 0 || record.writesToHost else { return }
        note(SandboxLife(.stopping, supervisor: getpid()).with(directory))
        // Of a sandbox that goes only what it wrote to the host is to be kept.
        let endsWithMounts = if record.removesItself { await mounts.relay.isServing } else { false }
        await session.shutDown(graceMilliseconds: grace)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = await machine.waitForExit() }
            if endsWithMounts {
                tasks.addTask {
                    await mounts.relay.waitUntilUnmounted()
                    machine.kill()
                    _ = await machine.waitForExit()
                }
            }
            tasks.addTask {
                for await case .kill in await session.orders {
                    machine.kill()
                    return
                }
                // Cancelled: the machine has ended.
                _ = await machine.waitForExit()
            }
            tasks.addTask {
                try? await Task.sleep(for: .milliseconds(Int64(grace) + Int64(Self.patience)))
                machine.kill()
            }
            await tasks.next()
            tasks.cancelAll()
        }
    }

    private func watchTime() async -> Ending? {
        guard let limit = record.limits.maximumDuration else { return nil }
        do { try await Task.sleep(for: .milliseconds(limit)) } catch { return nil }
        await session.order(.stop(graceMilliseconds: Self.usualGrace, reason: "its --max-duration was over"))
        return nil
    }

    /// Orders a stop when the sandbox was idle for as long as it may be.
    private func watchIdleness() async -> Ending? {
        guard let limit = record.limits.idleTimeout else { return nil }
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        for await isIdle in await session.idleness {
            timer?.cancel()
            timer =
                !isIdle
                ? nil
                : Task {
                    do { try await Task.sleep(for: .milliseconds(limit)) } catch { return }
                    await session.order(
                        record.idleAction == .pause
                            ? .pause(keepsMemory: false, nil)
                            : .stop(graceMilliseconds: Self.usualGrace, reason: "it was idle"))
                }
        }
        return nil
    }

    // MARK: The agent

    private func serveAgent(
        _ started: StartedMachine, _ console: ConsoleLog, _ mounts: MountServers, restarts: Int
    ) async throws {
        let machine = started.machine
        let (frames, queue) = AsyncStream.makeStream(of: Frame.self)
        let relay = mounts.relay
        try await FrameChannel.frames(machine.agentPort, on: relay.loop, relay: relay).executeThenClose {
            inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                let (isConfigured, configured) = AsyncStream.makeStream(of: Void.self)
                tasks.addTask {
                    guard await isConfigured.first(where: { _ in true }) != nil else { throw CancellationError() }
                    if started.frozen == nil {
                        try await place(mounts)
                        // Whoever hears that it is ready finds it written down.
                        announce(restarts: restarts, goesOn: false)
                        await session.activate(queue, main: record.main)
                    }
                    await tellOfLost(mounts)
                }
                tasks.addTask {
                    for await frame in frames { try await outbound.write(frame) }
                }
                tasks.addTask {
                    do {
                        async let isKept: Void = keepFiles()
                        var received = inbound.makeAsyncIterator()
                        if let frozen = started.frozen {
                            try await relay.goOn()
                            try await thaw(frozen, &received, outbound, console)
                            await relay.release()
                            await started.network?.gateway.admitCallers()
                        } else {
                            try await configure(started, &received, outbound, console)
                        }
                        await mark("configured")
                        try await isKept
                        if let frozen = started.frozen {
                            // The agent may have something to say at once.
                            announce(restarts: restarts, goesOn: true)
                            try await session.goOn(queue, session.isFrozen ? nil : frozen)
                        }
                        configured.yield()
                        while let frame = try await received.next() { try await session.receive(frame) }
                        try await agentGone(console)
                    } catch let error as ProtocolError {
                        throw SupervisorError.agentProtocol(error, console: await console.tail())
                    }
                }
                defer { tasks.cancelAll() }
                try await tasks.next()
            }
        }
    }

    /// Turns the booted machine into this sandbox. Fails closed: without the agent's confirmation it throws.
    private func configure(
        _ started: StartedMachine, _ received: inout NIOAsyncChannelInboundStream<Frame>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<Frame>, _ console: ConsoleLog
    ) async throws {
        let identity = try await identity(diskIsFresh: started.kind.diskIsFresh)
        try await outbound.write(try HostMessage.configure(identity).frame())
        guard let answer = try await received.next() else { return try await agentGone(console) }
        switch try GuestMessage(answer) {
        case .configured(let confirmation):
            if let lacking = confirmation.confirms(identity) { throw SupervisorError.refused(lacking) }
            // The machine's clock stood while it configured itself.
            try await outbound.write(try HostMessage.setClock(HostClock.wall).frame())
        case .refused(let reason): throw SupervisorError.refused(reason)
        default: throw ProtocolError.unexpected(answer.kind)
        }
    }

    /// Lets the agent of a frozen machine go on. Fails closed too.
    private func thaw(
        _ frozen: FrozenSession, _ received: inout NIOAsyncChannelInboundStream<Frame>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<Frame>, _ console: ConsoleLog
    ) async throws {
        let thawing = Thawing(isNew: frozen.isNew, isElsewhere: true, try await identity(diskIsFresh: false))
        try await outbound.write(try HostMessage.thaw(thawing).frame())
        guard let answer = try await received.next() else { return try await agentGone(console) }
        switch try GuestMessage(answer) {
        case .thawed(let confirmation):
            if let lacking = confirmation.confirms(thawing) { throw SupervisorError.refused(lacking) }
            try await outbound.write(try HostMessage.setClock(HostClock.wall).frame())
        case .refused(let reason): throw SupervisorError.refused(reason)
        default: throw ProtocolError.unexpected(answer.kind)
        }
    }

    /// Brings the files of a sandbox that outlives its client to the disk, while the machine wakes.
    private func keepFiles() async throws {
        if record.endsWithClient || !isFirstLife { return }
        let directory = directory
        try await NIOThreadPool.singleton.runIfActive { try directory.synchronize() }
    }

    /// Makes it known that processes can be started.
    private func announce(restarts: Int, goesOn: Bool) {
        note(SandboxLife(.running, started: Int64(time(nil)), restarts: restarts, supervisor: getpid()))
        EventLog(home).append(.init(goesOn ? .resume : .start, directory.id, name: record.name))
    }

    /// The agent's channel has ended: mostly because the engine did, and then its exit is the better reason.
    private func agentGone(_ console: ConsoleLog) async throws {
        try await Task.sleep(for: .seconds(1))
        if await session.isStopping { throw CancellationError() }
        throw SupervisorError.agentGone(console: await console.tail())
    }

    func identity(diskIsFresh: Bool) async throws -> MachineConfiguration {
        let trust = try await trust()
        var generator = SystemRandomNumberGenerator()
        let random = (0..<64).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let digits = Array("0123456789abcdef")
        let machineID = String((0..<32).compactMap { _ in digits.randomElement(using: &generator) })
        return MachineConfiguration(
            entropy: random, wallClock: HostClock.wall, hostName: String(record.id.prefix(12)), machineID: machineID,
            mac: hardwareAddress,
            addresses: GuestNetwork.addresses + ((try? memberships.get()) ?? []).flatMap(\.interfaceAddresses),
            upperIsFresh: diskIsFresh,
            mounts: record.scratch.enumerated().map { index, path in
                .init(type: MachineConfiguration.Mount.scratch, source: "\(index)", target: path)
            } + MountPlan(record.mounts).configured,
            environment: trust == nil ? [] : Self.trustVariables,
            limits: .init(processes: record.limits.processes), trust: trust)
    }
}

extension SandboxLife {
    /// This station, with what the file says of earlier ones.
    fileprivate func with(_ directory: SandboxDirectory) -> SandboxLife {
        guard var life = try? RecordFile.read(SandboxLife.self, from: directory.life) else { return self }
        life.status = status
        return life
    }
}
