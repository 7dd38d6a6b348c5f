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
            let state = try await freeze(memory)
            try await DedicatedThread.value { Result { try publish(memory, state) } }.get()
        } catch {
            try? FileTree.removeTree(work)
            throw TemplateError(error)
        }
    }

    /// Boots a machine on this memory and freezes it when its agent is ready; the state of its devices.
    private func freeze(_ memory: Descriptor) async throws -> [UInt8] {
        let machine = try await QEMUMachine.start(
            MachineSpecification(
                cpus: key.cpus, memory: key.memory,
                origin: .boot(
                    kernel: try Descriptor(opening: specification.kernel),
                    initramfs: try Descriptor(opening: specification.initramfs), memory: memory),
                disks: try MachineLayout.placeholders(), network: true, diskLimit: Self.stateLimit,
                userNumber: UInt32(bitPattern: getpid())),
            on: engine)
        return try await withTaskCancellationHandler {
            defer { machine.kill() }
            let boot = BootWatch(machine)
            do { try await DedicatedThread.value { Result { try boot.waitForAgent() } }.get() } catch {
                machine.kill()
                let exit = await machine.waitForExit()
                guard !Task.isCancelled else { throw TemplateError.cancelled }
                throw TemplateError.notReady(reason: "\(error)", console: boot.lastLines + exit.lastMessages)
            }
            let state = try Descriptor.memory("state")
            try await machine.freeze(to: state)
            try await machine.stop()
            _ = await machine.waitForExit()
            return try state.reopened().readAll(limit: Int(Self.stateLimit))
        } onCancel: {
            machine.kill()
        }
    }

    private func publish(_ memory: Descriptor, _ state: [UInt8]) throws {
        try memory.synchronize()
        guard fchmod(memory.rawValue, 0o400) == 0 else { throw SystemError("protect", work + "/memory") }
        try FileTree.writeAtomically(state, to: work + "/state", mode: 0o400, durable: true)
        let manifest = TemplateManifest(
            key: key, memory: FileIdentity(try memory.status()),
            memoryChecksum: try MemoryImage.checksum(of: memory).value, stateChecksum: Checksum(state).value,
            created: Int64(time(nil)))
        try manifest.write(to: work + "/manifest.json")
        let path = "\(directory)/\(key.name)"
        // A damaged one may have the name.
        try TemplateStore.removeDirectory(path)
        try FileTree.rename(work, to: path)
    }
}
