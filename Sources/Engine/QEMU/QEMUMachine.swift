import Checkpoint
import Glibc
import LinuxSystem
import Synchronization

/// A machine run by QEMU's microvm: the portable engine.
public final class QEMUMachine: Machine {
    /// QEMU, its accelerator, its process and its walls.
    public let description: MachineDescription
    /// The port named `agent` of the virtio-serial device.
    public let agentPort: Descriptor
    /// The virtio console.
    public let console: Descriptor
    /// QEMU's standard error.
    public let messages: Descriptor
    /// The other end of the network device: Ethernet frames, each after its length in 4 bytes, big-endian.
    public let network: Descriptor?

    private let process: QEMUProcess
    /// What it is made of, and what its files are to it.
    private let specification: MachineSpecification
    private let files: [FileNumber: EngineRole]
    /// The files to which its state was written, which QEMU may still hold.
    private let states = Mutex<Set<FileNumber>>([])

    private init(
        _ description: MachineDescription, _ launch: Launch, process: QEMUProcess, _ specification: MachineSpecification
    ) {
        self.description = description
        agentPort = launch.agentPort
        console = launch.console
        messages = process.messages
        network = launch.network
        self.process = process
        self.specification = specification
        files = launch.files
    }

    /// Starts a machine, which boots at once. Returns when the engine's program runs behind its walls; that it has
    /// accepted its arguments shows only in what the guest does, or in ``waitForExit()``.
    ///
    /// The machine ends with this process, whatever ends it.
    /// - Throws: ``EngineError``.
    public static func start(
        _ specification: MachineSpecification, on engine: EngineFinder.Engine
    ) async throws(EngineError) -> QEMUMachine {
        try specification.validate()
        let launch: Launch
        do {
            // Of use to a machine that boots only.
            var counterRate: UInt64 = 0
            if !specification.isFork { counterRate = try await DedicatedThread.value { HostClock.counterKilohertz() } }
            launch = try Launch(specification, engine, counterRate: counterRate)
        } catch {
            throw error as? EngineError
                ?? .prepare("the engine's channels", error as? SystemError ?? SystemError("prepare"))
        }
        let (process, walls) = try await QEMUProcess.start(
            launch.jail, control: launch.control, messages: launch.messages, first: launch.firstCommands)
        let description = MachineDescription(
            engine: "portable", accelerator: engine.accelerator, binary: engine.binary, pid: process.pid, walls: walls)
        let machine = QEMUMachine(description, launch, process: process, specification)
        if let loading = launch.loading {
            do { try await process.execute(loading.command, loading.arguments, until: "MIGRATION") } catch {
                machine.kill()
                let last = await machine.waitForExit().lastMessages
                throw .control(command: loading.command, reason: last.isEmpty ? "\(error)" : last)
            }
        }
        return machine
    }

    /// Plugs the network device's cable in or out, as the guest sees it. It is in when a machine has just booted, and in a fork
    /// as it was when the machine was frozen.
    /// - Throws: ``EngineError``.
    public func setCarrier(_ present: Bool) async throws(EngineError) {
        try await process.execute("set_link", #"{"name":"network-device","up":\#(present)}"#)
    }

    /// Stops the processors by QMP's `stop`.
    public func pause() async throws(EngineError) { try await process.execute("stop") }

    /// Lets the processors run by QMP's `cont`.
    public func resume() async throws(EngineError) { try await process.execute("cont") }

    /// Stops the processors and has QEMU write its devices' state by QMP's `xen-save-devices-state`, which is not for Xen
    /// alone: unlike `migrate` it leaves memory and disks alone, of whatever kind they are.
    public func freeze(to state: Descriptor) async throws(EngineError) {
        try await process.execute("stop")
        let writable: Descriptor
        do { writable = try state.reopened(O_WRONLY) } catch { throw .prepare("a machine's state", error) }
        try await process.execute("add-fd", #"{"fdset-id":\#(Self.stateSet)}"#, passing: writable)
        try await process.execute("xen-save-devices-state", #"{"filename":"/dev/fdset/\#(Self.stateSet)"}"#)
        // Taken away it is, but not closed before the processors run again.
        do {
            let number = try FileNumber(writable)
            states.withLock { _ = $0.insert(number) }
        } catch { throw .prepare("a machine's state", error) }
        try await process.execute("remove-fd", #"{"fdset-id":\#(Self.stateSet)}"#)
    }

    /// QEMU's number for the set of descriptors that holds the file of the state.
    private static let stateSet = 9000

    /// Stops the processors for good and writes QEMU's process as a program to `file`, with the machine and what QEMU
    /// knows of it, as ``MachineSpecification/Origin/thawed(memory:engine:)`` needs it. For an emulated machine that
    /// booted with a file as its memory, which holds the memory then.
    ///
    /// The file is readable and executable, as whoever runs engines needs it. The machine can be frozen further, or ended.
    /// - Returns: what belongs to the program.
    /// - Throws: ``EngineError/frozen(_:)`` where the host does not let a process look at its child, among others.
    public func freezeEngine(to file: Descriptor) async throws(EngineError) -> FrozenEngine.Layout {
        guard description.accelerator == .emulated, case .boot(_, _, let memory?) = specification.origin else {
            throw .specification("an engine to freeze that is not emulated, or without a file as its memory")
        }
        try await process.execute("stop")
        let (size, pid) = (specification.memory, process.pid)
        return try await Self.onThread { [files] in
            let bounds = try ProcessMemory(of: pid).bounds(of: memory)
            let parts = FrozenMemory(size: size, base: memory).parts
            let checkpoint = try Checkpoint.take(
                of: pid, memory: .init(bounds: bounds, parts: parts), sharing: [memory], to: file)
            return try FrozenEngine.Layout(checkpoint, files, memoryAddress: bounds.lowerBound, isUsed: false)
        }
    }

    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws(EngineError) -> Value {
        let result: Result<Value, EngineError>
        do {
            result = try await DedicatedThread.value {
                Result { try body() }.mapError { $0 as? EngineError ?? .frozen("\($0)") }
            }
        } catch { throw .prepare("a thread", error) }
        return try result.get()
    }

    /// Most layers of a memory, and most parents of an engine: whoever has as many is written anew, but for the lowest.
    private static let mostGenerations = 4

    /// Reads QEMU's memory, and for the program freezes its process.
    public func capture(
        memory file: Descriptor, engine: Descriptor?, over other: FrozenMemory?
    ) async throws(EngineError) -> MachineCapture {
        guard let memory = specification.frozenMemory else {
            throw .specification("a machine to capture that has booted; only forks can be captured")
        }
        var former: FrozenEngine?
        if case .thawed(_, let engine) = specification.origin { former = engine }
        let isEmulated = description.accelerator == .emulated
        let known = files.merging(states.withLock { $0.map { ($0, EngineRole.unused) } }) { role, _ in role }
        return try await Self.onThread { [pid = process.pid, former] in
            let process = try ProcessMemory(of: pid)
            var bounds = try former == nil ? process.bounds(of: memory.base) : 0..<0
            if let start = former?.layout.memoryAddress { bounds = start..<start + UInt64(memory.size) }
            let kept = try Self.capture(
                MemoryCapture(memory: process, bounds: bounds), of: memory, over: other, to: file)
            var capture = MachineCapture(memory: kept)
            guard isEmulated, let engine else { return capture }
            var parents = former.map { [$0.program] + $0.parents } ?? []
            if parents.count > Self.mostGenerations { parents = parents.suffix(1) }
            do {
                let parts = kept.parts.map { part in
                    Checkpoint.OwnedMemory.Part(
                        length: part.length, file: parents.count + part.file, offset: part.offset)
                }
                let checkpoint = try Checkpoint.take(
                    of: pid, memory: .init(bounds: bounds, parts: parts), sharing: parents + kept.files, to: engine)
                let layout = try FrozenEngine.Layout(
                    checkpoint, known, memoryAddress: bounds.lowerBound, isUsed: true)
                capture.engine = MachineCapture.Engine(parents: parents, layout: layout)
            } catch { capture.engineProblem = "\(error)" }
            return capture
        }
    }

    /// Writes what memory a process has for itself as a layer: over the files it went on from, or over another memory where
    /// that leaves less to be written.
    private static func capture(
        _ capture: MemoryCapture, of memory: FrozenMemory, over other: FrozenMemory?, to file: Descriptor
    ) throws -> FrozenMemory {
        var kept = memory
        var dropped: [MemoryLayer] = []
        if kept.layers.count >= mostGenerations { (dropped, kept.layers) = (kept.layers, []) }
        let layer = MemoryLayer(file: try file.reopened(), runs: [])
        let changed = try capture.changed()
        kept.layers.append(layer)
        kept.layers[kept.layers.count - 1].runs = dropped.reduce(changed) { $0.union($1.runs) }.joined()
        // Memories of different templates have hardly anything in the same place.
        if var other, other.size == memory.size, other.layers.count < MemoryLayer.mostShared,
            try memory.shares(0, with: other)
        {
            var candidates = changed
            for index in 0..<max(memory.layers.count, other.layers.count)
            where try !memory.shares(index + 1, with: other) {
                if index < memory.layers.count { candidates = candidates.union(memory.layers[index].runs) }
                if index < other.layers.count { candidates = candidates.union(other.layers[index].runs) }
            }
            let runs = try capture.different(candidates, from: other).joined()
            other.layers.append(layer)
            other.layers[other.layers.count - 1].runs = runs
            let isLess = runs.pages < (kept.layers.last?.runs.pages ?? 0) / 4 * 3
            if isLess, other.parts.count <= MemoryLayer.mostPieces { kept = other }
        }
        try capture.write(kept.layers.last?.runs ?? [], to: file)
        return kept
    }

    /// Ends QEMU in good order by QMP's `quit`.
    public func stop() async throws(EngineError) { try await process.execute("quit") }

    /// Ends QEMU by SIGKILL.
    public func kill() { process.kill() }

    /// Waits for the end of QEMU's process.
    public func waitForExit() async -> MachineExit { await process.waitForExit() }

    /// The host's ends of all channels, and the jail that holds the engine's.
    private struct Launch {
        let jail: EngineJail
        let agentPort: Descriptor
        let console: Descriptor
        let control: Descriptor
        let messages: Descriptor
        let network: Descriptor?
        let firstCommands: [QEMUCommandLine.Command]
        let loading: QEMUCommandLine.Command?
        let files: [FileNumber: EngineRole]

        init(_ specification: MachineSpecification, _ engine: EngineFinder.Engine, counterRate: UInt64) throws {
            let pipe = try Descriptor.pipe()
            let control = try Descriptor.socketPair()
            let console = try Descriptor.socketPair()
            let agent = try Descriptor.socketPair()
            let network = specification.network ? try Descriptor.socketPair() : nil
            // A few of the longest frames have room, so that neither side waits for the other with each.
            for end in [network?.0, network?.1] { end?.setBuffers(bytes: 1 << 20) }
            let channels = QEMUCommandLine.Channels(
                input: try Descriptor(opening: "/dev/null"), messages: pipe.write, control: control.1,
                console: console.1, agent: agent.1, network: network?.1)
            agentPort = agent.0
            self.network = network?.0
            self.console = console.0
            self.control = control.0
            messages = pipe.read
            var jail = EngineJail(
                binary: engine.binary, arguments: [], descriptors: [], accelerator: engine.accelerator,
                fileLimit: specification.diskLimit,
                memoryLimit: specification.memory + Self.overhead + QEMUCommandLine.translationCache,
                userNumber: specification.userNumber)
            if case .thawed(let memory, let frozen) = specification.origin {
                let thawed = try ThawedEngine(specification, frozen, memory: memory, channels: channels)
                jail.frozen = frozen.program
                jail.arguments = ["sandpiper-vm"]
                jail.descriptors = thawed.descriptors
                firstCommands = thawed.firstCommands
                loading = nil
                files = try Self.numbers(thawed.given.map { ($0, $1) })
            } else {
                let line = try Self.line(specification, engine, channels, counterRate)
                jail.arguments = line.arguments
                jail.descriptors = line.descriptors
                jail.reopened = line.reopened
                jail.answerToOpens = line.answerToOpens
                firstCommands = line.firstCommands
                loading = line.loading
                files = try Self.numbers(line.roles + [(.random, try Descriptor(opening: "/dev/urandom"))])
            }
            self.jail = jail
        }

        private static func numbers(_ roles: [(EngineRole, Descriptor)]) throws -> [FileNumber: EngineRole] {
            var files: [FileNumber: EngineRole] = [:]
            for (role, file) in roles {
                let number = try FileNumber(file)
                if role != .unused || files[number] == nil { files[number] = role }
            }
            return files
        }

        /// What an engine needs beside its guest's memory and the code it translates, in bytes: half of it is for the stacks
        /// of its 64 workers, 8 MiB each, all of which are at work when a guest asks much of a slow disk.
        private static let overhead: Int64 = 1 << 30

        private static func line(
            _ specification: MachineSpecification, _ engine: EngineFinder.Engine, _ channels: QEMUCommandLine.Channels,
            _ counterRate: UInt64
        ) throws -> QEMUCommandLine {
            var specification = specification
            if case .boot(let kernel, let initramfs, let memory) = specification.origin {
                specification.origin = .boot(
                    kernel: try readableByAll(kernel), initramfs: try readableByAll(initramfs), memory: memory)
            }
            let program = ELFProgram(try Descriptor(opening: engine.binary))
            return try QEMUCommandLine(
                specification, engine: engine, firmware: try Descriptor(opening: engine.firmware), channels: channels,
                sandbox: program.libraries.contains { $0.hasPrefix("libseccomp.so") }, counterRate: counterRate)
        }

        /// QEMU opens the kernel anew as another user when root starts it; a file that others may not read is copied.
        private static func readableByAll(_ file: Descriptor) throws -> Descriptor {
            guard geteuid() == 0, try file.status().st_mode & 0o004 == 0 else { return file }
            let copy = try Descriptor.memory("boot")
            var chunk = [UInt8](repeating: 0, count: 1 << 20)
            var offset: Int64 = 0
            while true {
                let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
                if count == 0 { return copy }
                try chunk[..<count].withUnsafeBytes { try copy.write($0, at: offset) }
                offset += Int64(count)
            }
        }
    }
}
