import Engine
import LinuxSystem
import Template

/// What is said of a frozen machine that goes to another host: nothing of how and where its files lie here.
public struct PortableMachine: Codable, Sendable, Equatable {
    /// Virtual processors.
    public var cpus: Int
    /// Bytes of memory.
    public var memory: Int64
    /// As in ``FrozenMachine/Manifest/diskIsFresh``.
    public var diskIsFresh: Bool
    /// When it was frozen, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64
    /// The version of its devices' layout.
    public var layout: Int
    /// As in `EngineFingerprint`.
    public var accelerator: String
    /// As in `EngineFingerprint`.
    public var processor: String
    /// The checksum of the engine's program.
    public var engineChecksum: UInt64
    /// As in `EngineFingerprint`.
    public var counterKilohertz: UInt64

    /// Whether it goes on with an engine of this host; everything is compared. Blocks.
    /// - Returns: why not, in a few words; `nil` when it does.
    public func mismatch(with engine: EngineFinder.Engine) throws(FrozenMachineError) -> String? {
        guard layout == MachineLayout.version else {
            return "its devices are of layout \(layout), and machines here are of layout \(MachineLayout.version)"
        }
        do { return try fingerprint.mismatch(with: engine) } catch { throw .system(error) }
    }

    /// Why it cannot be a machine at all, in a few words. The values may be foreign.
    public var problem: String? {
        guard (1...64).contains(cpus) else { return "it has \(cpus) processors" }
        guard memory >= MemoryLadder.smallest, MemoryLadder.size(holding: memory) == memory else {
            return "it has \(memory) bytes of memory"
        }
        return nil
    }

    private var fingerprint: EngineFingerprint {
        EngineFingerprint(
            foreign: accelerator, processor: processor, binaryChecksum: engineChecksum,
            counterKilohertz: counterKilohertz)
    }
}

extension PortableMachine {
    /// Most bytes of the devices' state.
    public static let stateLimit = Int64(FrozenMachineWriter.stateLimit)

    /// Where the memory goes, below the directory of a machine that is made of what came: a file as long as the memory.
    public static func memoryPath(in path: String) -> String { "\(path)/\(FrozenMachine.memoryName(0))" }

    /// Where the state of the devices goes.
    public static func statePath(in path: String) -> String { "\(path)/\(FrozenMachine.stateName)" }

    /// Completes the directory of a machine whose memory and state are there. Blocks.
    /// - Parameter engine: one of which there was no ``mismatch(with:)``.
    public func complete(in path: String, with engine: EngineFinder.Engine) throws(FrozenMachineError) {
        do {
            var fingerprint = fingerprint
            try fingerprint.adopt(engine)
            let state = try FileTree.read(Self.statePath(in: path), limit: Int(Self.stateLimit))
            let manifest = FrozenMachine.Manifest(
                cpus: cpus, memory: memory, fingerprint: fingerprint, diskIsFresh: diskIsFresh, created: created,
                layers: 0, engineProblem: "it came from another host",
                checksums: [FrozenMachine.stateName: Checksum(state).value])
            try ManifestFile.write(manifest, to: "\(path)/\(FrozenMachine.manifestName)", durable: true)
        } catch { throw FrozenMachineError(error) }
    }
}

extension FrozenMachine {
    /// What is said of it on another host.
    public var portable: PortableMachine {
        let fingerprint = manifest.fingerprint
        return PortableMachine(
            cpus: manifest.cpus, memory: manifest.memory, diskIsFresh: manifest.diskIsFresh, created: manifest.created,
            layout: MachineLayout.version, accelerator: fingerprint.accelerator, processor: fingerprint.processor,
            engineChecksum: fingerprint.binaryChecksum, counterKilohertz: fingerprint.counterKilohertz)
    }

    /// The state of its devices.
    public var deviceState: [UInt8] { state }
}
