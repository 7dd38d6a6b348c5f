import LinuxSystem

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What a sandbox was asked to be; kept as `sandbox.json` in its directory.
public struct SandboxRecord: Codable, Equatable, Sendable {
    /// The ``SandboxID``.
    public var id: String
    /// The ``SandboxName``, when it has one.
    public var name: String?
    /// The image as the user wrote it.
    public var image: String
    /// Digest of the image's manifest.
    public var imageDigest: String
    /// Virtual CPUs, 1...64.
    public var cpus: Int
    /// Memory in bytes.
    public var memory: Int64
    /// Size of the writable disk in bytes.
    public var disk: Int64
    /// Whether emulation is refused.
    public var requireKVM: Bool
    /// Path of the guest kernel.
    public var kernel: String
    /// Path of the initramfs.
    public var initramfs: String
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64

    /// Makes a record.
    public init(
        id: SandboxID, name: SandboxName?, image: String, imageDigest: String, cpus: Int, memory: Int64, disk: Int64,
        requireKVM: Bool, kernel: String, initramfs: String, created: Int64
    ) {
        self.id = id.description
        self.name = name?.description
        self.image = image
        self.imageDigest = imageDigest
        self.cpus = cpus
        self.memory = memory
        self.disk = disk
        self.requireKVM = requireKVM
        self.kernel = kernel
        self.initramfs = initramfs
        self.created = created
    }
}

/// The engine under a running sandbox; kept as `engine.json` in its directory by the supervisor.
public struct EngineRecord: Codable, Equatable, Sendable {
    /// The kind of engine, for example `portable`.
    public var engine: String
    /// `kvm` or `emulated`.
    public var accelerator: String
    /// Why the machine is emulated; `nil` on KVM.
    public var reason: String?
    /// Path of the engine's executable.
    public var binary: String
    /// Process id on the host.
    public var pid: Int32
    /// The walls that stand round the engine process.
    public var walls: [String]
    /// Those that this host does not offer, each with the reason.
    public var missingWalls: [String]

    /// Makes a record.
    public init(
        engine: String, accelerator: String, reason: String?, binary: String, pid: Int32, walls: [String],
        missingWalls: [String]
    ) {
        self.engine = engine
        self.accelerator = accelerator
        self.reason = reason
        self.binary = binary
        self.pid = pid
        self.walls = walls
        self.missingWalls = missingWalls
    }
}

/// Reads and writes records as JSON files.
public enum RecordFile {
    /// Reads a record from a file of at most 1 MiB.
    public static func read<Record: Decodable>(_ type: Record.Type, from path: String) throws(StateError) -> Record {
        do {
            return try JSONDecoder().decode(type, from: Data(try FileTree.read(path, limit: 1 << 20)))
        } catch { throw .inaccessible(path: path, reason: "\(error)") }
    }

    /// Writes a record so that readers see all of it or none.
    public static func write(_ record: some Encodable, to path: String) throws(StateError) {
        do { try FileTree.writeAtomically(try encode(record), to: path) } catch {
            throw .inaccessible(path: path, reason: "\(error)")
        }
    }

    /// A record as JSON text with a line feed at its end.
    public static func encode(_ record: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(record)) + [UInt8(ascii: "\n")]
    }
}
