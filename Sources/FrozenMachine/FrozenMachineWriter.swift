import Engine
import Glibc
import LinuxSystem
import Template

/// Writes a machine that was frozen in use to a directory.
///
/// ``prepare(_:)`` comes before the machine is stopped, ``capture(_:)`` while it stands, ``finish(_:)`` when it may run or
/// has ended.
public struct FrozenMachineWriter: Sendable {
    /// What stays the same from one freezing of a machine to the next.
    public struct Kind: Sendable {
        /// Virtual processors.
        public var cpus: Int
        /// What it asks of engine and host.
        public var fingerprint: EngineFingerprint
        /// As in ``FrozenMachine/Manifest/diskIsFresh``.
        public var diskIsFresh: Bool

        /// A kind of machine.
        public init(cpus: Int, fingerprint: EngineFingerprint, diskIsFresh: Bool) {
            self.cpus = cpus
            self.fingerprint = fingerprint
            self.diskIsFresh = diskIsFresh
        }
    }

    /// What was read from the machine.
    public struct Captured: Sendable {
        var machine: MachineCapture
        var state: [UInt8]
    }

    private let path: String
    private let kind: Kind
    private let newMemory: Descriptor
    private let newEngine: Descriptor?

    /// The most that the state of devices can take, in bytes; an engine that writes more fails.
    static let stateLimit = 64 << 20
    private static let newMemoryName = "memory.new"

    /// Makes the directory, and what is written to while the machine stands.
    /// - Parameters:
    ///   - path: the directory; nothing is there.
    ///   - withEngine: whether the engine is to be frozen too, where that can be.
    public init(_ path: String, _ kind: Kind, withEngine: Bool = true) throws(FrozenMachineError) {
        self.path = path
        self.kind = kind
        do {
            try FileTree.makeDirectory(path)
            newMemory = try Descriptor(opening: "\(path)/\(Self.newMemoryName)", O_RDWR | O_CREAT | O_EXCL)
            newEngine =
                withEngine
                ? try Descriptor(opening: "\(path)/\(FrozenMachine.engineName(0))", O_RDWR | O_CREAT | O_EXCL) : nil
        } catch { throw .system(error) }
    }

    /// Reads a machine, which is stopped for that and stands afterwards.
    /// - Parameter other: a memory to refer to for what is the same there.
    public func capture(
        _ machine: any Machine, over other: FrozenMemory? = nil
    ) async throws(FrozenMachineError) -> Captured {
        do {
            let state = try Descriptor.memory("state")
            try await machine.freeze(to: state)
            let captured = try await machine.capture(memory: newMemory, engine: newEngine, over: other)
            return Captured(machine: captured, state: try state.reopened().readAll(limit: Self.stateLimit))
        } catch { throw FrozenMachineError(error) }
    }

    /// Completes the directory. Blocks.
    /// - Parameter durable: whether it is to be there after a power cut too.
    public func finish(_ captured: Captured, durable: Bool) throws(FrozenMachineError) {
        do {
            var checksums: [String: UInt64] = [:]
            func write(_ bytes: [UInt8], _ name: String) throws {
                checksums[name] = Checksum(bytes).value
                try FileTree.writeAtomically(bytes, to: "\(path)/\(name)", mode: 0o400, durable: durable)
            }
            let memory = captured.machine.memory
            try keep(memory.base, as: FrozenMachine.memoryName(0))
            for (index, layer) in memory.layers.enumerated() {
                let name = FrozenMachine.memoryName(index + 1)
                if index + 1 < memory.layers.count {
                    try keep(layer.file, as: name)
                } else {
                    try FileTree.rename("\(path)/\(Self.newMemoryName)", to: "\(path)/\(name)")
                }
                try write(MemoryLayer.index(layer.runs), FrozenMachine.indexName(index + 1))
            }
            try write(captured.state, FrozenMachine.stateName)
            var manifest = FrozenMachine.Manifest(
                cpus: kind.cpus, memory: memory.size, fingerprint: kind.fingerprint, diskIsFresh: kind.diskIsFresh,
                created: Int64(time(nil)), layers: memory.layers.count,
                engineProblem: captured.machine.engineProblem, checksums: [:])
            if let engine = captured.machine.engine {
                // Whoever runs engines when root starts them is another user.
                guard let newEngine, fchmod(newEngine.rawValue, 0o555) == 0 else {
                    throw SystemError("protect", "\(path)/\(FrozenMachine.engineName(0))")
                }
                for (index, parent) in engine.parents.enumerated() {
                    try keep(parent, as: FrozenMachine.engineName(index + 1))
                }
                try write(Array(engine.layout.text.utf8), FrozenMachine.layoutName)
                manifest.engine = .init(boot: try HostClock.boot(), parents: engine.parents.count)
            } else {
                try FileTree.removeFile("\(path)/\(FrozenMachine.engineName(0))")
            }
            if durable { try newMemory.synchronize() }
            manifest.checksums = checksums
            try ManifestFile.write(manifest, to: "\(path)/\(FrozenMachine.manifestName)", durable: durable)
        } catch { throw FrozenMachineError(error) }
    }

    /// Gives an open file a name in the directory; where it has none any more, or is elsewhere, it is copied.
    private func keep(_ file: Descriptor, as name: String) throws(SystemError) {
        let target = "\(path)/\(name)"
        let source = "/proc/self/fd/\(file.rawValue)"
        if linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0 { return }
        let isProgram = try file.status().st_mode & 0o111 != 0
        let copy = try Descriptor(opening: target, O_RDWR | O_CREAT | O_EXCL)
        try SparseCopy(from: file, to: copy).run()
        guard fchmod(copy.rawValue, isProgram ? 0o555 : 0o400) == 0 else { throw SystemError("protect", target) }
    }
}
