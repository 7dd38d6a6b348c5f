import AgentProtocol
import Engine
import Glibc
import LinuxSystem

/// Makes one template: boots a machine until its agent is ready, freezes it, and gives the result its name.
///
/// The caller holds the template's lock. Whatever ends the builder leaves at most a directory `tmp.<name>`, which the
/// next builder of that template, or a pruning, removes.
struct TemplateBuilder {
    private let specification: TemplateSpecification
    private let engine: EngineFinder.Engine
    private let key: TemplateKey
    private let directory: String
    private let work: String

    /// The most that the state of devices can take; an engine that writes more fails.
    private static let stateLimit: Int64 = 64 << 20

    init(
        _ specification: TemplateSpecification, _ engine: EngineFinder.Engine, in directory: String
    ) throws(TemplateError) {
        self.specification = specification
        self.engine = engine
        self.directory = directory
        do { key = try TemplateKey(specification, on: engine) } catch { throw .system(error) }
        work = "\(directory)/tmp.\(key.name)"
    }

    func build() async throws(TemplateError) {
        do {
            try FileTree.removeTree(work)
            try FileTree.makeDirectory(work)
            let memory = try Descriptor(opening: work + "/memory", O_RDWR | O_CREAT | O_EXCL)
            guard ftruncate(memory.rawValue, off_t(key.memory)) == 0 else {
                throw SystemError("make", work + "/memory")
            }
            let frozen = try await freeze(memory)
            try await DedicatedThread.value { Result { try publish(memory, frozen) } }.get()
        } catch {
            try? FileTree.removeTree(work)
            throw TemplateError(error)
        }
    }

    /// What a frozen machine is beside its memory.
    private struct Frozen {
        /// What its forks ask for when they are frozen in their turn.
        let fingerprint: EngineFingerprint
        /// The state of its devices.
        var state: [UInt8]
        /// What belongs to the program in the file `engine`; `nil` where there is none.
        var layout: FrozenEngine.Layout?
        /// Why there is none, though the machine is emulated.
        var problem: String?
    }

    /// Boots a machine on this memory and freezes it when its agent is ready.
    private func freeze(_ memory: Descriptor) async throws -> Frozen {
        let machine = try await QEMUMachine.start(
            MachineSpecification(
                cpus: key.cpus, memory: key.memory,
                origin: .boot(
                    kernel: try Descriptor(opening: specification.kernel),
                    initramfs: try Descriptor(opening: specification.initramfs), memory: memory),
                disks: try RehearsalDisks.make(in: work), network: true,
                diskLimit: MachineLayout.freshDiskSize,
                userNumber: UInt32(bitPattern: getpid())),
            on: engine)
        return try await withTaskCancellationHandler {
            defer { machine.kill() }
            let rehearsal = Rehearsal(machine)
            do { try await DedicatedThread.value { Result { try rehearsal.play() } }.get() } catch {
                machine.kill()
                let exit = await machine.waitForExit()
                guard !Task.isCancelled else { throw TemplateError.cancelled }
                throw TemplateError.notReady(reason: "\(error)", console: rehearsal.lastLines + exit.lastMessages)
            }
            let engine = engine
            let fingerprint = try await DedicatedThread.value { Result { try EngineFingerprint(engine) } }.get()
            var frozen = Frozen(fingerprint: fingerprint, state: [])
            if engine.accelerator == .emulated {
                // Where a host does not let its forks begin with a started engine, they begin with a new one.
                do { frozen.layout = try await freezeEngine(of: machine) } catch { frozen.problem = "\(error)" }
            }
            let state = try Descriptor.memory("state")
            try await machine.freeze(to: state)
            try await machine.stop()
            _ = await machine.waitForExit()
            frozen.state = try state.reopened().readAll(limit: Int(Self.stateLimit))
            do { try await tryOut(frozen, memory) } catch {
                frozen.layout = nil
                frozen.problem = "\(error)"
            }
            return frozen
        } onCancel: {
            machine.kill()
        }
    }

    /// Freezes the engine too.
    private func freezeEngine(of machine: QEMUMachine) async throws -> FrozenEngine.Layout {
        let file = try Descriptor(opening: work + "/engine", O_RDWR | O_CREAT | O_EXCL)
        let layout = try await machine.freezeEngine(to: file)
        try FileTree.writeAtomically(Array(layout.text.utf8), to: work + "/engine.layout", mode: 0o400)
        // Whoever runs engines when root starts them is another user.
        guard fchmod(file.rawValue, 0o555) == 0 else { throw SystemError("protect", work + "/engine") }
        return layout
    }

    /// Lets a fork of this begin to run.
    private func tryOut(_ frozen: Frozen, _ memory: Descriptor) async throws {
        guard let layout = frozen.layout else { return }
        let template = Template(
            name: key.name, cpus: key.cpus, memory: key.memory, memoryFile: try memory.reopened(),
            freshDisk: try Descriptor.memory("upper"), state: frozen.state,
            engine: FrozenEngine(program: try Descriptor(opening: work + "/engine"), layout: layout),
            fingerprint: frozen.fingerprint)
        let fork = try await QEMUMachine.start(
            template.fork(
                image: [.init(file: try Descriptor.memory("image").reopened(), length: 512)],
                upper: .used(try Descriptor.memory("upper")), diskLimit: 0, userNumber: UInt32(bitPattern: getpid())),
            on: engine)
        defer { fork.kill() }
        try await fork.pause()
    }

    private func publish(_ memory: Descriptor, _ frozen: Frozen) throws {
        let state = frozen.state
        let upper = try Descriptor(opening: work + "/upper", O_RDWR)
        for (file, name) in [(memory, "memory"), (upper, "upper")] {
            try file.synchronize()
            guard fchmod(file.rawValue, 0o400) == 0 else { throw SystemError("protect", "\(work)/\(name)") }
        }
        try FileTree.writeAtomically(state, to: work + "/state", mode: 0o400, durable: true)
        let manifest = TemplateManifest(
            key: key, memory: FileIdentity(try memory.status()),
            memoryChecksum: try MemoryImage.checksum(of: memory).value, upper: FileIdentity(try upper.status()),
            upperChecksum: try MemoryImage.checksum(of: upper).value, stateChecksum: Checksum(state).value,
            engine: try engineFiles(frozen), engineProblem: frozen.problem,
            fingerprint: frozen.fingerprint, created: Int64(time(nil)))
        try ManifestFile.write(manifest, to: work + "/manifest.json", durable: true)
        let path = "\(directory)/\(key.name)"
        // A damaged one may have the name.
        try TemplateStore.removeDirectory(path)
        try FileTree.rename(work, to: path)
    }

    private func engineFiles(_ frozen: Frozen) throws -> TemplateManifest.Engine? {
        guard let layout = frozen.layout else {
            for name in ["engine", "engine.layout"] { try FileTree.removeFile("\(work)/\(name)") }
            return nil
        }
        let program = try Descriptor(opening: work + "/engine")
        return TemplateManifest.Engine(
            program: FileIdentity(try program.status()),
            programChecksum: try MemoryImage.checksum(of: program).value,
            layoutChecksum: Checksum(layout.text.utf8).value, boot: try HostClock.boot())
    }

}
