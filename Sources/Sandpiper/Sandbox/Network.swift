import Control
import ControlClient
import Glibc
import LinuxSystem
@_exported import struct NetworkAddress.AddressRange
@_exported import struct NetworkAddress.DomainName
@_exported import enum NetworkAddress.IPAddress
@_exported import struct NetworkPolicy.NetworkPolicy
import SandboxState

/// A port of the host behind which one of a sandbox's is reached.
public typealias PublishedPort = SandboxState.PublishedPort
/// How much a sandbox's network may do.
public typealias NetworkLimits = SandboxState.NetworkLimits
/// Something that a sandbox's network has refused, or let pass where that is recorded.
public typealias NetworkEvent = SandboxState.NetworkEvent

extension Sandbox {
    /// What a sandbox's network is to be.
    ///
    /// ```swift
    /// var network = Sandbox.Network(try NetworkPolicy(allowing: ["api.example.com:443"]))
    /// network.ports = [PublishedPort(8080, to: 80)]
    /// let sandbox = try await Sandbox.create(image: "python", .init(network: network))
    /// ```
    public struct Network: Sendable {
        /// What may pass.
        public var policy: NetworkPolicy
        /// Ports of the host that lead to the sandbox.
        public var ports: [PublishedPort] = []
        /// Who is asked for names, as `ADDRESS` or `ADDRESS:PORT`; `nil` for the servers that the host itself asks.
        public var nameServers: [String]?
        /// How much may pass.
        public var limits = NetworkLimits()
        /// The names of the private networks that it joins; see ``PrivateNetwork``.
        public var networks: [String] = []
        /// Through which proxy all its TCP connections go: `http://HOST:PORT` or `socks5://HOST:PORT`; or `@FILE`, or the name
        /// of an environment variable of whoever starts the sandbox, that has this, perhaps with `USER:PASSWORD@` before the
        /// host. Datagrams and pings go nowhere then.
        public var proxy: String?

        /// How its TLS connections are opened on the host, and which secrets are put into its requests there; `nil` when they
        /// are not.
        public var interception: Interception?

        /// A network with a policy: the public internet, if no other is given.
        public init(_ policy: NetworkPolicy = .public) { self.policy = policy }

        /// No network at all.
        public static let none = Network(.none)
        /// The public internet.
        public static let `public` = Network(.public)
        /// Everything: also the host and its networks.
        public static let all = Network(.all)

        /// What records keep.
        func settings() throws -> NetworkSettings {
            var settings = NetworkSettings(policy)
            settings.ports = ports
            settings.nameServers = nameServers
            settings.limits = limits
            for name in networks { _ = try PrivateNetwork.checked(name) }
            guard Set(networks).count == networks.count else {
                throw SandpiperError.invalidArgument("a private network is given twice")
            }
            settings.networks = networks
            settings.interception = try interception?.settings()
            guard settings.interception == nil || !policy.isClosed else {
                throw SandpiperError.invalidArgument("without a network there is nothing to intercept")
            }
            settings.proxy = try proxy.map { try ProxyReference($0) }
            for server in nameServers ?? [] where NetworkSettings.nameServer(server) == nil {
                throw SandpiperError.invalidArgument("'\(server)' is no address of a name server")
            }
            guard (1...10_000).contains(limits.connections) else {
                throw SandpiperError.invalidArgument("\(limits.connections) connections: choose 1 to 10000")
            }
            return settings
        }
    }

    /// Puts another policy in force, running or not. Connections that it does not allow are ended.
    /// - Throws: ``SandpiperError``.
    public func setPolicy(_ policy: NetworkPolicy) async throws {
        _ = try await blocking { [directory] in try NetworkChange.policy(policy).apply(to: directory) }
    }

    /// Publishes ports, running or not.
    /// - Returns: the ports, with the numbers that the host has chosen for those of 0.
    /// - Throws: ``SandpiperError``; then none of them is.
    @discardableResult
    public func publish(_ ports: [PublishedPort]) async throws -> [PublishedPort] {
        try await blocking { [directory] in try NetworkChange.publish(ports).apply(to: directory) }
    }

    /// Publishes ports no more; connections that there are go on.
    /// - Throws: ``SandpiperError``.
    public func withdraw(_ ports: [PublishedPort]) async throws {
        _ = try await blocking { [directory] in try NetworkChange.withdraw(ports).apply(to: directory) }
    }

    /// The published ports: of a running sandbox with the numbers that the host has chosen.
    /// - Throws: ``SandpiperError``.
    public var publishedPorts: [PublishedPort] {
        get async throws {
            try await blocking { [directory] in
                guard directory.isOwned, case .ports(let ports) = try ControlConnection(to: directory).request(.ports)
                else { return try RecordFile.read(SandboxRecord.self, from: directory.record).network.ports }
                return ports
            }
        }
    }
}

extension NetworkPolicy {
    /// The policy that rules make together, written as after `--allow` and `--deny` of the command line. What is denied goes
    /// before what is allowed.
    /// - Parameters:
    ///   - rules: what is allowed, such as `api.example.com:443` or `host:8080`.
    ///   - denied: what is denied.
    ///   - base: what the rules change; `nil` for nothing but what they allow, or where they only deny, the public internet.
    /// - Throws: `RuleError`, ``SandpiperError``.
    public init(allowing rules: [String], denying denied: [String] = [], base: NetworkPolicy? = nil) throws {
        let all = try denied.map { try Rule(.deny, $0) } + rules.map { try Rule(.allow, $0) }
        guard let made = NetworkPolicy.composed(base: base, rules: all) else {
            throw SandpiperError.invalidArgument("a policy has at most \(NetworkPolicy.maximumRules) rules")
        }
        self = made
    }
}
