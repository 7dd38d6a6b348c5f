/// What a configured machine says it is now, each part read back from the guest's kernel.
///
/// Machines that go on from one template are the same in all of this until they are configured; so nobody may use one
/// that has not confirmed every part.
public struct Confirmation: Equatable, Sendable {
    /// The host name.
    public var hostName: String
    /// The machine id in `/etc/machine-id`.
    public var machineID: String
    /// The kernel's boot id: a random UUID in lower case.
    public var bootID: String
    /// The hardware address of the network device.
    public var mac: [UInt8]
    /// The wall clock in nanoseconds since 1970-01-01 00:00 UTC.
    public var wallClock: UInt64
    /// The addresses of the network device, as in ``MachineConfiguration/addresses``.
    public var addresses: [String]

    /// The most that the wall clock may have gone on since the host read it, in nanoseconds. Generous: an emulated
    /// machine on a busy host takes many times the usual moment.
    private static let longestConfiguration: UInt64 = 120_000_000_000

    /// Makes a confirmation.
    public init(
        hostName: String, machineID: String, bootID: String, mac: [UInt8], wallClock: UInt64, addresses: [String]
    ) {
        self.hostName = hostName
        self.machineID = machineID
        self.bootID = bootID
        self.mac = mac
        self.wallClock = wallClock
        self.addresses = addresses
    }

    /// Whether the machine is what it was told to be.
    /// - Returns: what it is not, in a few words; `nil` when everything is confirmed.
    public func confirms(_ configuration: MachineConfiguration) -> String? {
        if hostName != configuration.hostName { return "it has another host name" }
        if machineID != configuration.machineID { return "it has another machine id" }
        if mac != configuration.mac { return "its network device has another hardware address" }
        if addresses != configuration.addresses { return "its network device has other addresses" }
        if !Self.isUUID(bootID) { return "its boot id is none" }
        return confirmsClock(configuration)
    }

    /// Whether a machine that went on has what it was told to take.
    /// - Returns: as ``confirms(_:)-(MachineConfiguration)``.
    public func confirms(_ thawing: Thawing) -> String? {
        // The names of a machine that was only paused are its own to change.
        thawing.isNew ? confirms(thawing.configuration) : confirmsClock(thawing.configuration)
    }

    private func confirmsClock(_ configuration: MachineConfiguration) -> String? {
        let (latest, overflow) = configuration.wallClock.addingReportingOverflow(Self.longestConfiguration)
        guard wallClock >= configuration.wallClock, overflow || wallClock <= latest else {
            return "its clock is wrong"
        }
        return nil
    }

    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12]
            && parts.allSatisfy { part in
                part.utf8.allSatisfy {
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
                }
            }
    }

    init(decoding payload: [UInt8]) throws(ProtocolError) {
        var reader = ByteReader(payload)
        hostName = try reader.string()
        machineID = try reader.string()
        bootID = try reader.string()
        mac = try reader.data()
        wallClock = try reader.unsigned64()
        addresses = try reader.list { reader throws(ProtocolError) in try reader.string() }
        try reader.finish()
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(hostName)
        writer.string(machineID)
        writer.string(bootID)
        writer.data(mac)
        writer.unsigned64(wallClock)
        writer.list(addresses) { writer, address in writer.string(address) }
    }
}
