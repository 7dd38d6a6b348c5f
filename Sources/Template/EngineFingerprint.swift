import Engine
import Glibc
import LinuxSystem

/// What a frozen machine asks of the engine and the host that let it go on.
public struct EngineFingerprint: Codable, Equatable, Sendable {
    /// `kvm` or `emulated`.
    public var accelerator: String
    /// The processor that the guest sees, with a checksum of the host's where it is that.
    public var processor: String
    /// The engine's program, as it was found.
    var binary: FileIdentity
    /// The checksum of its content.
    public var binaryChecksum: UInt64
    /// How fast the host's counter counts, which is the guest's clock, in kilohertz.
    public var counterKilohertz: UInt64

    /// How much two hosts' counters may differ, in thousandths: the guest's clock goes wrong by as much.
    private static let counterTolerance: UInt64 = 1

    /// Finds out about an engine on this host. Blocks for some 60 ms.
    public init(_ engine: EngineFinder.Engine) throws(SystemError) {
        accelerator = engine.accelerator.rawValue
        processor = engine.processor
        if engine.accelerator == .kvm { processor += try TemplateKey.hostProcessor() }
        binary = try FileIdentity(path: engine.binary)
        binaryChecksum = try MemoryImage.checksum(of: Descriptor(opening: engine.binary)).value
        counterKilohertz = HostClock.counterKilohertz()
    }

    /// What a machine of another host asks for, whose engine's program is no file here: all of it is compared.
    public init(foreign accelerator: String, processor: String, binaryChecksum: UInt64, counterKilohertz: UInt64) {
        self.accelerator = accelerator
        self.processor = processor
        binary = .none
        self.binaryChecksum = binaryChecksum
        self.counterKilohertz = counterKilohertz
    }

    /// Notes the program of an engine of which there was no ``mismatch(with:)``, so that it is not read each time.
    public mutating func adopt(_ engine: EngineFinder.Engine) throws(SystemError) {
        binary = try FileIdentity(path: engine.binary)
    }

    /// Whether a machine of this kind goes on with an engine of this host. Reads the engine's program only when it is
    /// another file than it was. Blocks.
    /// - Returns: why not, in a few words; `nil` when it does.
    public func mismatch(with engine: EngineFinder.Engine) throws(SystemError) -> String? {
        guard accelerator == engine.accelerator.rawValue else {
            return "it needs an engine of the kind '\(accelerator)', and this host has '\(engine.accelerator.rawValue)'"
        }
        if try FileIdentity(path: engine.binary) == binary, engine.accelerator == .emulated { return nil }
        let other = try EngineFingerprint(engine)
        guard processor == other.processor else { return "it was frozen on another kind of processor" }
        guard binaryChecksum == other.binaryChecksum else {
            return "it was frozen with another build of the engine than \(engine.binary)"
        }
        let difference = max(counterKilohertz, other.counterKilohertz) - min(counterKilohertz, other.counterKilohertz)
        let (scaled, overflow) = difference.multipliedReportingOverflow(by: 1000)
        let (allowed, tooLarge) = counterKilohertz.multipliedReportingOverflow(by: Self.counterTolerance)
        guard !overflow, !tooLarge, scaled <= allowed else {
            return "its clock counts \(counterKilohertz) kHz, and this host's \(other.counterKilohertz)"
        }
        return nil
    }
}
