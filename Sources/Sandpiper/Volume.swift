import SandboxState

/// Files with a name, which sandboxes show one after the other, or read together.
///
/// Many sandboxes may read a volume at a time, or one may write to it, and has it alone; a sandbox that does not get it is
/// not started. ``Sandbox/Mount/volume(_:at:readOnly:)`` shows one in a sandbox.
public struct Volume: Sendable, Hashable {
    /// Its name: 1...63 of `[A-Za-z0-9_.-]`, the first a letter or digit.
    public let name: String
    /// The most that its files may take; `nil` for no limit but the host's disk.
    public let size: ByteSize?
    /// Names and values of your own.
    public let labels: [String: String]

    private let host: SandboxHost

    private init(_ record: VolumeRecord, _ host: SandboxHost) {
        name = record.name
        size = record.size.map { ByteSize(bytes: $0) }
        labels = record.labels
        self.host = host
    }

    /// Makes a volume.
    /// - Parameters:
    ///   - name: a name that no other volume has.
    ///   - size: the most that its files may take, 1 MiB or more.
    ///   - labels: names and values of your own.
    ///   - host: where to make it.
    /// - Throws: ``SandpiperError/volumeExists(_:)``, ``SandpiperError/invalidArgument(_:)``.
    @discardableResult
    public static func create(
        _ name: String, size: ByteSize? = nil, labels: [String: String] = [:], on host: SandboxHost = SandboxHost()
    ) async throws -> Volume {
        let checked = try checked(name)
        guard size.map({ $0 >= .mebibytes(1) }) != false else {
            throw SandpiperError.invalidArgument("a volume of \(size?.description ?? ""): choose 1m or more")
        }
        return try await blocking {
            let volume = try SandboxState.Volume.create(
                checked, size: size?.bytes, labels: labels, in: host.resolvedHome())
            return Volume(try volume.record, host)
        }
    }

    /// Finds a volume.
    /// - Throws: ``SandpiperError/volumeNotFound(_:)``.
    public static func find(_ name: String, on host: SandboxHost = SandboxHost()) async throws -> Volume {
        let checked = try checked(name)
        return try await blocking {
            Volume(try SandboxState.Volume(checked, in: host.resolvedHome()).record, host)
        }
    }

    /// All volumes, sorted by name.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [Volume] {
        try await blocking {
            // One that vanishes meanwhile was removed.
            try SandboxState.Volume.all(in: host.resolvedHome()).compactMap {
                (try? $0.record).map { Volume($0, host) }
            }
        }
    }

    /// How much of the host's disk its files take.
    /// - Throws: ``SandpiperError/volumeNotFound(_:)``.
    public func diskUsage() async throws -> ByteSize {
        try await blocking { [self] in
            let volume = try stored()
            _ = try volume.record
            return ByteSize(bytes: volume.diskUsage)
        }
    }

    /// Where its files are on the host. Who changes them there while a sandbox shows them changes them for the sandbox too.
    public func path() throws -> String { try stored().data }

    /// The ids of the sandboxes that have it among their mounts, whether or not they run.
    public func users() async throws -> [String] {
        try await blocking { [self] in try stored().users().map(\.id) }
    }

    /// Removes the volume and all its files.
    /// - Throws: ``SandpiperError/volumeInUse(_:)`` when a sandbox has it among its mounts, running or not.
    public func remove() async throws {
        try await blocking { [self] in
            let volume = try stored()
            SandboxDirectory.sweep(volume.home)
            try volume.remove()
        }
    }

    private func stored() throws -> SandboxState.Volume {
        SandboxState.Volume(try Self.checked(name), in: try host.resolvedHome())
    }

    static func checked(_ name: String) throws -> VolumeName {
        guard let checked = VolumeName(name) else {
            throw SandpiperError.invalidArgument(
                "'\(name)' is not a volume's name: it takes 1 to 63 of A-Z a-z 0-9 _ . -, the first a letter or digit")
        }
        return checked
    }
}
