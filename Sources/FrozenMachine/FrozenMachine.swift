import Engine
import Glibc
import LinuxSystem
import Template

/// A machine that was frozen in use, as it lies in a directory: `memory.0` is a file as long as its memory, `memory.1` and so
/// on are layers over it with their `.index`, `state` is that of its devices, `engine.0` the program of its engine where
/// that was frozen too, `engine.1` and so on the programs it is made from, `engine.layout` what belongs to it;
/// `manifest.json`, written last, says what there is.
///
/// Files are shared with other machines by hard links, and none is ever changed.
public struct FrozenMachine: Sendable {
    /// What the directory holds.
    public struct Manifest: Codable, Sendable, Equatable {
        /// Virtual processors.
        public var cpus: Int
        /// Bytes of memory.
        public var memory: Int64
        /// What it asks of engine and host.
        public var fingerprint: EngineFingerprint
        /// Whether its writable disk is behind the device of ``MachineLayout/freshDisk``.
        public var diskIsFresh: Bool
        /// When it was frozen, in seconds since 1970-01-01 00:00 UTC.
        public var created: Int64
        /// How many layers its memory has.
        var layers: Int
        /// The frozen engine.
        var engine: Engine?
        /// Why there is none, though the machine is emulated.
        public var engineProblem: String?
        /// The checksums of the small files, by name.
        var checksums: [String: UInt64]

        /// A frozen engine.
        struct Engine: Codable, Sendable, Equatable {
            /// The boot of the host to which it is tied.
            var boot: String
            /// How many programs it is made from, beside its own.
            var parents: Int
        }
    }

    static let manifestName = "manifest.json"
    static let stateName = "state"
    static let layoutName = "engine.layout"
    /// Most layers and most programs; far more than are ever made.
    private static let mostFiles = 64

    /// What the directory says of itself.
    public let manifest: Manifest
    /// Its memory.
    public let memory: FrozenMemory
    /// Its engine, when it has one that is good for this boot of the host.
    public let engine: FrozenEngine?
    let state: [UInt8]

    static func memoryName(_ index: Int) -> String { "memory.\(index)" }
    static func indexName(_ index: Int) -> String { memoryName(index) + ".index" }
    static func engineName(_ index: Int) -> String { "engine.\(index)" }

    /// Reads a frozen machine. Its memory is only opened.
    /// - Throws: ``FrozenMachineError/damaged(_:_:)`` when something is missing, or is not what the manifest says.
    public init(in path: String) throws(FrozenMachineError) {
        do {
            let manifest: Manifest = try ManifestFile.read(path + "/" + Self.manifestName)
            guard manifest.memory > 0, manifest.memory % Int64(MemoryLayer.pageSize) == 0, manifest.memory <= 1 << 42,
                (0...Self.mostFiles).contains(manifest.layers), (1...64).contains(manifest.cpus)
            else { throw Damage("its manifest is none") }
            func small(_ name: String) throws -> [UInt8] {
                let bytes = try FileTree.read("\(path)/\(name)")
                guard Checksum(bytes).value == manifest.checksums[name] else {
                    throw Damage("its '\(name)' is damaged")
                }
                return bytes
            }
            let base = try Descriptor(opening: path + "/" + Self.memoryName(0))
            guard Int64(try base.status().st_size) == manifest.memory else {
                throw Damage("its memory has another size")
            }
            var memory = FrozenMemory(size: manifest.memory, base: base)
            for index in 1..<manifest.layers + 1 {
                guard
                    let runs = MemoryLayer.runs(index: try small(Self.indexName(index)), memory: manifest.memory)
                else { throw Damage("the index of its memory is none") }
                let layer = MemoryLayer(
                    file: try Descriptor(opening: path + "/" + Self.memoryName(index)), runs: runs)
                guard Int64(try layer.file.status().st_size) == layer.length else {
                    throw Damage("a layer of its memory has another size")
                }
                memory.layers.append(layer)
            }
            state = try small(Self.stateName)
            engine = try Self.engine(manifest, in: path, small)
            self.memory = memory
            self.manifest = manifest
        } catch {
            throw .damaged(path, (error as? Damage)?.reason ?? "\(error)")
        }
    }

    private struct Damage: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private static func engine(
        _ manifest: Manifest, in path: String, _ small: (String) throws -> [UInt8]
    ) throws -> FrozenEngine? {
        guard let found = manifest.engine, (0...mostFiles).contains(found.parents),
            try HostClock.boot() == found.boot,
            let layout = FrozenEngine.Layout(text: String(decoding: try small(layoutName), as: UTF8.self))
        else { return nil }
        let programs = try (0...found.parents).map { try Descriptor(opening: "\(path)/\(engineName($0))") }
        return FrozenEngine(program: programs[0], parents: Array(programs.dropFirst()), layout: layout)
    }

    /// Whether it goes on with an engine of this host. Blocks.
    /// - Returns: why not, in a few words; `nil` when it does.
    public func mismatch(with engine: EngineFinder.Engine) throws(FrozenMachineError) -> String? {
        do { return try manifest.fingerprint.mismatch(with: engine) } catch { throw .system(error) }
    }

    /// What the machine is made of, which waits for `resume()` when it has begun. Blocks, and writes its memory to one file
    /// when it has layers and no engine of this boot of the host.
    /// - Parameters:
    ///   - disk: its writable disk, as it was when the machine was frozen, opened for reading and writing.
    ///   - flat: where such a file goes; nothing is there.
    ///   - others: as in ``MachineLayout``.
    public func machine(
        image: [MachineSpecification.Disk.Extent], disk: Descriptor, diskLimit: Int64, userNumber: UInt32,
        flat: String
    ) throws(FrozenMachineError) -> MachineSpecification {
        do {
            var machine = try MachineLayout.machine(
                cpus: manifest.cpus, memory: manifest.memory, origin: try origin(flat), image: image,
                upper: manifest.diskIsFresh ? .fresh(disk) : .used(disk), diskLimit: diskLimit,
                userNumber: userNumber)
            machine.isPaused = true
            return machine
        } catch { throw .system(error) }
    }

    private func origin(_ flat: String) throws(SystemError) -> MachineSpecification.Origin {
        if let engine { return .thawed(memory: memory, engine: engine) }
        let copy = try Descriptor.memory("state")
        try copy.write(state)
        let state = try copy.reopened()
        if memory.layers.isEmpty { return .frozen(memory: memory.base, state: state) }
        try FileTree.removeFile(flat)
        let file = try Descriptor(opening: flat, O_RDWR | O_CREAT | O_EXCL)
        try memory.flatten(to: file)
        return .frozen(memory: try file.reopened(), state: state)
    }
}
