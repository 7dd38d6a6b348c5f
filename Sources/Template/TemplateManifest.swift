/// What a template's directory says of its files: written last, before the directory gets its name.
struct TemplateManifest: Codable, Equatable, Sendable {
    /// What the template was made of.
    var key: TemplateKey
    /// The memory file as it was when it was complete.
    var memory: FileIdentity
    /// The checksum of its content.
    var memoryChecksum: UInt64
    /// The fresh disk, in the same way.
    var upper: FileIdentity
    var upperChecksum: UInt64
    /// The checksum of the state file.
    var stateChecksum: UInt64
    /// The frozen engine, where there is one.
    var engine: Engine?
    /// Why there is none, though the machine is emulated.
    var engineProblem: String?
    /// What a machine that is frozen in use asks for.
    var fingerprint: EngineFingerprint
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    var created: Int64

    /// The files of a frozen engine.
    struct Engine: Codable, Equatable, Sendable {
        /// The program as it was when it was complete.
        var program: FileIdentity
        /// The checksum of its content.
        var programChecksum: UInt64
        /// The checksum of what belongs to it.
        var layoutChecksum: UInt64
        /// The boot of the host to which it is tied.
        var boot: String
    }
}
