import Glibc
import LinuxSystem
import NetworkAddress

/// The name of a private network, a label of DNS: 1...63 of `[a-z0-9-]`, neither the first nor the last a hyphen.
public struct NetworkName: Hashable, Sendable, CustomStringConvertible {
    /// The name as text.
    public let description: String

    /// A name; `nil` when the text is not one.
    public init?(_ text: some StringProtocol) {
        let hyphen = UInt8(ascii: "-")
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), bytes.first != hyphen, bytes.last != hyphen,
            bytes.allSatisfy({
                $0 == hyphen || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
            })
        else { return nil }
        description = String(text)
    }
}

/// What a private network is; kept as `network.json` in its directory.
public struct PrivateNetworkRecord: Codable, Equatable, Sendable {
    /// The ``NetworkName``.
    public var name: String
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public var created: Int64
    /// Its addresses.
    public var subnet: PrivateSubnet
    /// The user's own names and values.
    public var labels: [String: String] = [:]
}

/// A network between sandboxes of one home, which nobody else is in.
///
/// A sandbox that is made for a network has one address of each version in it as long as the sandbox is there, and gives
/// them back when it is removed. All changes are made under the state's lock.
public struct PrivateNetwork: Sendable {
    /// Its name.
    public let name: NetworkName
    /// Where it is.
    public let home: Home

    /// The network of this name, whether or not there is one.
    public init(_ name: NetworkName, in home: Home) {
        self.name = name
        self.home = home
    }

    private var path: String { "\(home.networks)/\(name)" }
    private var recordPath: String { path + "/network.json" }
    /// The ``NetworkMembers``: a file that is replaced whenever they change.
    public var membersPath: String { path + "/members.json" }

    /// Whether there is such a network.
    public var exists: Bool { FileTree.exists(path) }

    /// What it is.
    /// - Throws: ``StateError/noSuchNetwork(_:)``.
    public var record: PrivateNetworkRecord {
        get throws(StateError) {
            guard exists else { throw .noSuchNetwork("\(name)") }
            return try RecordFile.read(PrivateNetworkRecord.self, from: recordPath)
        }
    }

    /// Who is in it.
    /// - Throws: ``StateError``.
    public func members() throws(StateError) -> NetworkMembers {
        guard FileTree.exists(membersPath) else { return NetworkMembers() }
        return try RecordFile.read(NetworkMembers.self, from: membersPath)
    }

    // MARK: Making and finding

    /// Makes a network.
    /// - Parameter range: its addresses of IPv4; `nil` for some that are free.
    /// - Throws: ``StateError/networkExists(_:)``, ``StateError/badSubnet(_:)``; then nothing was made.
    @discardableResult
    public static func create(
        _ name: NetworkName, range: AddressRange? = nil, labels: [String: String] = [:], in home: Home
    ) throws(StateError) -> PrivateNetwork {
        let network = PrivateNetwork(name, in: home)
        try withStateLock(home) { () throws(StateError) in
            guard !network.exists else { throw .networkExists(name) }
            try network.make(range, labels)
        }
        return network
    }

    /// All networks, sorted by name.
    public static func all(in home: Home) throws(StateError) -> [PrivateNetwork] {
        try system { () throws(SystemError) in try FileTree.names(in: home.networks) }
            .compactMap { NetworkName($0) }.map { PrivateNetwork($0, in: home) }
    }

    private func make(_ range: AddressRange?, _ labels: [String: String]) throws(StateError) {
        var others: [PrivateSubnet] = []
        for other in try Self.all(in: home) { others.append(try other.record.subnet) }
        let subnet: PrivateSubnet
        if let range {
            guard let given = PrivateSubnet(range) else {
                throw .badSubnet("\(range): choose 16 to 29 bits of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
            }
            guard !others.contains(where: { $0.overlaps(range) }) else {
                throw .badSubnet("\(range): another network has addresses of it; see 'sandpiper network ls'")
            }
            subnet = given
        } else {
            guard let free = PrivateSubnet.free(besides: others) else {
                throw .badSubnet("no addresses are free for one more network: choose some with --subnet")
            }
            subnet = free
        }
        let record = PrivateNetworkRecord(
            name: name.description, created: Int64(time(nil)), subnet: subnet, labels: labels)
        let draft = "\(home.networks)/.new-\(UInt64.random(in: .min ... .max))"
        do throws(StateError) {
            try system { () throws(SystemError) in try FileTree.makeDirectory(home.networks) }
            Self.clear(home)
            try system { () throws(SystemError) in try FileTree.makeDirectory(draft) }
            try RecordFile.write(record, to: draft + "/network.json", durable: true)
            try system { () throws(SystemError) in
                try FileTree.rename(draft, to: path)
                try FileTree.synchronizeDirectory(of: path)
            }
        } catch {
            try? FileTree.removeTree(draft)
            throw error
        }
    }

    /// Removes what a crash left of a network that was being made or removed. The caller holds the state lock.
    private static func clear(_ home: Home) {
        for name in (try? FileTree.names(in: home.networks)) ?? [] where name.hasPrefix(".") {
            try? FileTree.removeTree("\(home.networks)/\(name)")
        }
    }

    /// Removes the network.
    /// - Throws: ``StateError/networkInUse(_:by:)`` when a sandbox is in it, ``StateError/noSuchNetwork(_:)``.
    public func remove() throws(StateError) {
        let grave = "\(home.networks)/.old-\(UInt64.random(in: .min ... .max))"
        try Self.withStateLock(home) { () throws(StateError) in
            guard exists else { throw .noSuchNetwork("\(name)") }
            let members = try renewedMembers().all
            guard members.isEmpty else { throw .networkInUse(name, by: members.map { $0.name ?? $0.id }) }
            try system { () throws(SystemError) in
                try FileTree.rename(path, to: grave)
                try FileTree.synchronizeDirectory(of: path)
                try FileTree.removeTree(grave)
            }
        }
    }

    // MARK: Members. The callers hold the state lock.

    /// Takes the sandbox of a record, whose directory is there, into the networks that it names.
    static func join(_ record: SandboxRecord, in home: Home) throws(StateError) {
        for text in record.network.networks {
            guard let name = NetworkName(text) else { throw .noSuchNetwork(text) }
            _ = try PrivateNetwork(name, in: home).add(record)
        }
    }

    /// Gives back the numbers of a sandbox that is gone.
    static func leave(_ id: SandboxID, in home: Home) { renewAll(in: home) { $0.member("\(id)") != nil } }

    /// Notes the name that a sandbox has now.
    static func rename(_ id: SandboxID, in home: Home) { renewAll(in: home) { $0.member("\(id)") != nil } }

    /// Strikes out sandboxes that vanished without a word, as by a power cut.
    public static func sweep(_ home: Home) {
        guard FileTree.exists(home.networks) else { return }
        try? withStateLock(home) { renewAll(in: home) { _ in true } }
    }

    private static func renewAll(in home: Home, where concerns: (NetworkMembers) -> Bool) {
        guard let networks = try? all(in: home) else { return }
        // What cannot be written now is put right with the next change.
        for network in networks where (try? network.members()).map(concerns) == true {
            _ = try? network.renewedMembers()
        }
    }

    /// The members as they are, after those who are gone were struck out.
    private func renewedMembers() throws(StateError) -> NetworkMembers {
        var members = try members()
        let isNew = members.renew { id in
            guard let id = SandboxID(id) else { return nil }
            let directory = SandboxDirectory(id, in: home)
            guard FileTree.exists(directory.path) else { return nil }
            return .some((try? RecordFile.read(SandboxRecord.self, from: directory.record))?.name)
        }
        if isNew { try RecordFile.write(members, to: membersPath, durable: true) }
        return members
    }

    private func add(_ record: SandboxRecord) throws(StateError) -> NetworkMembership {
        let subnet = try self.record.subnet
        var members = try renewedMembers()
        let known = members
        guard let member = members.add(record.id, name: record.name, numbers: subnet.numbers) else {
            throw .networkFull(name)
        }
        if members != known { try RecordFile.write(members, to: membersPath, durable: !record.endsWithClient) }
        return NetworkMembership(network: self, subnet: subnet, member: member)
    }

    /// The places of a sandbox in its networks. It gets one where it has lost its own, as by a power cut.
    /// - Throws: ``StateError``.
    public static func memberships(of record: SandboxRecord, in home: Home) throws(StateError) -> [NetworkMembership] {
        let names = record.network.networks
        guard !names.isEmpty else { return [] }
        var memberships: [NetworkMembership] = []
        try withStateLock(home) { () throws(StateError) in
            for text in names {
                guard let name = NetworkName(text) else { throw .noSuchNetwork(text) }
                memberships.append(try PrivateNetwork(name, in: home).add(record))
            }
        }
        return memberships
    }

    private static func withStateLock(_ home: Home, _ body: () throws(StateError) -> Void) throws(StateError) {
        let lock = try system { () throws(SystemError) -> FileLock in
            try FileTree.makeDirectory(home.path)
            return try FileLock.wait(home.stateLock)
        }
        defer { withExtendedLifetime(lock) {} }
        try body()
    }
}
