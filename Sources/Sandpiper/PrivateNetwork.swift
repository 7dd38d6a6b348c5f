import Glibc
import SandboxState

/// A network between sandboxes of one home, in which they reach each other by name, and nobody else does.
///
/// ```swift
/// try await PrivateNetwork.create("backend")
/// var network = Sandbox.Network()
/// network.networks = ["backend"]
/// let database = try await Sandbox.create(image: "postgres", .init(name: "db", network: network))
/// // Other members find it as `db` and as `db.backend.sandpiper.internal`.
/// ```
public struct PrivateNetwork: Sendable {
    /// Its name.
    public let name: String
    /// When it was made, in seconds since 1970-01-01 00:00 UTC.
    public let created: Int64
    /// Its addresses of IPv4.
    public let subnet: AddressRange
    /// Its addresses of IPv6.
    public let subnetV6: AddressRange
    /// Names and values of the user's own.
    public let labels: [String: String]
    /// Where it is.
    public let host: SandboxHost

    private init(_ record: PrivateNetworkRecord, _ host: SandboxHost) {
        name = record.name
        created = record.created
        (subnet, subnetV6) = (record.subnet.v4, record.subnet.v6)
        labels = record.labels
        self.host = host
    }

    /// Makes a network.
    /// - Parameters:
    ///   - name: 1...63 of `[a-z0-9-]`, neither the first nor the last a hyphen.
    ///   - subnet: its addresses of IPv4: 16 to 29 bits of `10.0.0.0/8`, `172.16.0.0/12` or `192.168.0.0/16`; `nil` for some
    ///     that are free.
    ///   - labels: names and values of your own.
    ///   - host: where to make it.
    /// - Throws: ``SandpiperError``; then nothing was made.
    @discardableResult
    public static func create(
        _ name: String, subnet: AddressRange? = nil, labels: [String: String] = [:],
        on host: SandboxHost = SandboxHost()
    ) async throws -> PrivateNetwork {
        let checked = try checked(name)
        return try await blocking {
            let network = try SandboxState.PrivateNetwork.create(
                checked, range: subnet, labels: labels, in: host.resolvedHome())
            return PrivateNetwork(try network.record, host)
        }
    }

    /// Finds a network.
    /// - Throws: ``SandpiperError``.
    public static func find(_ name: String, on host: SandboxHost = SandboxHost()) async throws -> PrivateNetwork {
        let checked = try checked(name)
        return try await blocking {
            PrivateNetwork(try SandboxState.PrivateNetwork(checked, in: host.resolvedHome()).record, host)
        }
    }

    /// All networks, sorted by name.
    public static func all(on host: SandboxHost = SandboxHost()) async throws -> [PrivateNetwork] {
        try await blocking {
            // One that vanishes meanwhile was removed.
            try SandboxState.PrivateNetwork.all(in: host.resolvedHome()).compactMap {
                (try? $0.record).map { PrivateNetwork($0, host) }
            }
        }
    }

    /// The addresses of its members, of IPv4 and IPv6, by the ids of the sandboxes, whether or not they run.
    public func members() async throws -> [String: [IPAddress]] {
        try await blocking { [self] in
            let network = try stored()
            SandboxState.PrivateNetwork.sweep(network.home)
            let subnet = try network.record.subnet
            return Dictionary(
                try network.members().all.map { ($0.id, subnet.addresses(of: $0.number)) }, uniquingKeysWith: { $1 })
        }
    }

    /// Removes the network.
    /// - Throws: ``SandpiperError`` when a sandbox is in it, running or not.
    public func remove() async throws {
        try await blocking { [self] in
            let network = try stored()
            SandboxDirectory.sweep(network.home)
            try network.remove()
        }
    }

    private func stored() throws -> SandboxState.PrivateNetwork {
        SandboxState.PrivateNetwork(try Self.checked(name), in: try host.resolvedHome())
    }

    static func checked(_ name: String) throws -> NetworkName {
        guard let checked = NetworkName(name) else {
            throw SandpiperError.invalidArgument(
                "'\(name)' is not a network's name: it takes 1 to 63 of a-z 0-9 -, neither first nor last a hyphen")
        }
        return checked
    }
}
