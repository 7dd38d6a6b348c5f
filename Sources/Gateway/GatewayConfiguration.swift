import InterceptionProtocol
import NetworkAddress
import NetworkPolicy
import NetworkStack
import SandboxState

/// What a gateway is told when it begins.
public struct GatewayConfiguration: Sendable {
    /// The sandbox's id, for events.
    public var sandbox: String
    /// The addresses on the link.
    public var addresses: GuestAddresses
    /// The guest's hardware address: 6 bytes.
    public var guestMAC: [UInt8]
    /// What may pass.
    public var policy: NetworkPolicy
    /// Who is asked for names; `nil` for the servers that the host itself asks.
    public var nameServers: [Endpoint]?
    /// How much may pass.
    public var limits = NetworkLimits()
    /// Through which connections of TCP go.
    public var proxy: UpstreamProxy?
    /// Who opens the guest's connections of TLS and HTTP, if somebody does, and the secrets that are put into them there.
    public var interception: (socket: InterceptionSocket, secrets: [SecretDescription])?
    /// Ports of the host that lead to the guest.
    public var ports: [PublishedPort] = []
    /// Sockets of these that another gateway has left, and where this one leaves them.
    public var sleepingPorts: SleepingPorts?
    /// Whether callers at ports are let in at once, and not with ``Gateway/admitCallers()``.
    public var admitsCallers = true
    /// Hears on the gateway's thread whether ports are used by somebody, whenever that changes; must not block.
    public var tellUse: @Sendable (Bool) -> Void = { _ in }
    /// The sandbox's places in private networks.
    public var memberships: [NetworkMembership] = []
    /// The sandbox's own directory, where other members of those send their packets to.
    public var directory: SandboxDirectory?

    /// A gateway for one sandbox.
    public init(sandbox: String, addresses: GuestAddresses, guestMAC: [UInt8], policy: NetworkPolicy) {
        self.sandbox = sandbox
        self.addresses = addresses
        self.guestMAC = guestMAC
        self.policy = policy
    }

    /// What the stack is told.
    var stack: StackConfiguration {
        var generator = SystemRandomNumberGenerator()
        var stack = StackConfiguration(
            gatewayMAC: MACAddress(addresses.gatewayMAC),
            guestMAC: MACAddress(guestMAC),
            guestAddresses: [addresses.guest, addresses.guestV6] + memberships.flatMap(\.addresses),
            gatewayAddresses: [addresses.gateway, addresses.gatewayV6],
            seed: (generator.next(), generator.next()))
        stack.forwardedRanges = memberships.flatMap { [$0.subnet.v4, $0.subnet.v6] }
        // A member is found as if it were on the same Ethernet.
        stack.localRanges = stack.forwardedRanges
        stack.limits.connections = min(max(limits.connections, 1), 10_000)
        return stack
    }
}

extension MACAddress {
    /// The address of six bytes in the order they are sent; zero in place of those that lack.
    fileprivate init(_ bytes: [UInt8]) {
        self.init(bytes.prefix(6).reduce(0) { $0 << 8 | UInt64($1) })
    }
}
