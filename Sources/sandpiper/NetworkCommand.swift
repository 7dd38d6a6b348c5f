import ArgumentParser
import ForeignText
import Glibc
import LinuxSystem
import NetworkAddress
import SandboxState
import TextLayout

/// `sandpiper network`: private networks, in which sandboxes reach each other by name.
struct NetworkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network", abstract: "Manage private networks: sandboxes join them with --join NETWORK.",
        discussion: """
            Members of a network reach each other, and nobody else does. They find each other by the names of the \
            sandboxes or the first 12 characters of their ids: NAME, or NAME.NETWORK.sandpiper.internal.
            """,
        subcommands: [
            NetworkCreate.self, NetworkList.self, NetworkInspect.self, NetworkRemove.self, NetworkPrune.self,
        ])
}

/// A network as JSON shows it.
private struct NetworkEntry: Encodable {
    struct Member: Encodable {
        let id: String
        let name: String?
        /// Of IPv4 and of IPv6.
        let addresses: [String]
        let isRunning: Bool
    }

    let name: String
    /// Seconds since 1970.
    let created: Int64
    let subnet: String
    let subnetV6: String
    let labels: [String: String]
    let members: [Member]

    init(_ network: PrivateNetwork) throws {
        let record = try network.record
        name = record.name
        created = record.created
        (subnet, subnetV6) = ("\(record.subnet.v4)", "\(record.subnet.v6)")
        labels = record.labels
        members = try network.members().all.map { member in
            Member(
                id: member.id, name: member.name,
                addresses: record.subnet.addresses(of: member.number).map(\.description),
                isRunning: SandboxID(member.id).map { SandboxDirectory($0, in: network.home).isOwned } ?? false)
        }
    }

    /// All networks; one that vanishes meanwhile was removed.
    static func all(in home: Home) throws -> [NetworkEntry] {
        try PrivateNetwork.all(in: home).compactMap { try? NetworkEntry($0) }
    }
}

/// `sandpiper network create`.
struct NetworkCreate: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a private network.")

    @Option(
        help: ArgumentHelp(
            "Its addresses of IPv4, instead of some that are free: 16 to 29 bits of 10.0.0.0/8, 172.16.0.0/12 or "
                + "192.168.0.0/16.", valueName: "prefix"))
    var subnet: AddressRange?
    @Option(name: .shortAndLong, help: "A label: KEY=VALUE, or KEY.") var label: [String] = []
    @Argument(help: "Its name: letters in lower case, digits and hyphens.") var name: NetworkName

    func run() throws {
        try PrivateNetwork.create(name, range: subnet, labels: Labels.parse(label), in: try Home.current())
        print(name)
    }
}

/// `sandpiper network ls`.
struct NetworkList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List private networks.")

    @Flag(name: .shortAndLong, help: "Print names only.") var quiet = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let home = try Home.current()
        if quiet { return try PrivateNetwork.all(in: home).forEach { print($0.name) } }
        sweep(home)
        let entries = try NetworkEntry.all(in: home)
        if json { return try Descriptor(duplicating: 1).write(RecordFile.encode(entries)) }
        let now = Int64(time(nil))
        var table = Table("NAME", "SUBNET", "SUBNET V6", "MEMBERS", "CREATED")
        for entry in entries {
            let members = entry.members.map { $0.name ?? String($0.id.prefix(12)) }
            table.add(
                entry.name, entry.subnet, entry.subnetV6,
                members.isEmpty ? "-" : members.joined(separator: ", ").excerpt(60),
                humanDuration(now &- entry.created) + " ago")
        }
        print(table)
    }
}

/// `sandpiper network inspect`.
struct NetworkInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show private networks and who is in them, as a JSON array.")

    @Argument(help: "Names of networks.") var names: [String]

    func run() throws {
        let home = try Home.current()
        sweep(home)
        try Descriptor(duplicating: 1).write(RecordFile.encode(names.map { try NetworkEntry(network($0, in: home)) }))
    }
}

/// `sandpiper network rm`.
struct NetworkRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove private networks.",
        discussion: "A network that a sandbox is in stays, also when that does not run.")

    @Flag(name: .shortAndLong, help: "Do not mind missing ones.") var force = false
    @Argument(help: "Names of networks.") var names: [String]

    func run() throws {
        let home = try Home.current()
        sweep(home)
        var failed = false
        for name in names {
            do {
                try network(name, in: home).remove()
                print(name)
            } catch let error as any FailureMessage {
                if force, case StateError.noSuchNetwork = error { continue }
                complain(error.description)
                failed = true
            }
        }
        if failed { throw ExitStatusError(code: names.count == 1 ? 125 : 1) }
    }
}

/// `sandpiper network prune`.
struct NetworkPrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove the private networks that no sandbox is in.",
        discussion: "On a terminal you are asked before.")

    @Flag(name: .shortAndLong, help: "Do not ask.") var force = false

    func run() throws {
        let home = try Home.current()
        sweep(home)
        let unused = try PrivateNetwork.all(in: home).filter { try $0.members().all.isEmpty }
        guard !unused.isEmpty else { return }
        let count = "\(unused.count) network\(unused.count == 1 ? "" : "s")"
        guard try force || Confirmation.isGiven("Remove \(count)?") else { return }
        for network in unused {
            // One that a sandbox has joined meanwhile stays.
            do { try network.remove() } catch {
                switch error {
                case .networkInUse, .noSuchNetwork: continue
                default: throw error
                }
            }
            print(network.name)
        }
    }
}

private func sweep(_ home: Home) {
    SandboxDirectory.sweep(home)
    PrivateNetwork.sweep(home)
}

private func network(_ name: String, in home: Home) throws -> PrivateNetwork {
    guard let checked = NetworkName(name) else { throw StateError.noSuchNetwork(name.excerpt()) }
    let network = PrivateNetwork(checked, in: home)
    guard network.exists else { throw StateError.noSuchNetwork(name) }
    return network
}

extension NetworkName: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}

extension AddressRange: ExpressibleByArgument {
    /// Reads an argument of the command line.
    public init?(argument: String) { self.init(argument) }
}
