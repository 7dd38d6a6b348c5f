import NetworkAddress
import NetworkPolicy

/// What a sandbox's network is to be.
public struct NetworkSettings: Codable, Equatable, Sendable {
    /// What may pass.
    public var policy: NetworkPolicy
    /// Who is asked for names, as `ADDRESS` or `ADDRESS:PORT`; `nil` for the servers that the host itself asks.
    public var nameServers: [String]?
    /// Where it stands through which proxy all its TCP connections go; datagrams and pings go nowhere then.
    public var proxy: ProxyReference?
    /// Ports of the host that lead to the sandbox.
    public var ports: [PublishedPort] = []
    /// How much may pass.
    public var limits = NetworkLimits()
    /// The names of the private networks that it is in.
    public var networks: [String] {
        get { privateNetworks ?? [] }
        set { privateNetworks = newValue.isEmpty ? nil : newValue }
    }
    /// How its TLS connections are opened on the host; `nil` when they are not.
    public var interception: InterceptionSettings?
    /// Not in records of before there were any.
    private var privateNetworks: [String]?

    /// A network with a policy.
    public init(_ policy: NetworkPolicy = .public) { self.policy = policy }

    /// Lets the host choose the ports anew.
    mutating func forget() {
        for index in ports.indices { ports[index].hostPort = 0 }
    }

    /// What of it may hold when it comes from a stranger: the policy as far as it is about the public internet.
    public var foreign: NetworkSettings {
        var settings = NetworkSettings(policy.confinedToPublic)
        if (1...10_000).contains(limits.connections) { settings.limits = limits }
        return settings
    }

    /// No network at all.
    public static let none = NetworkSettings(.none)

    /// Reads a name server's address: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`; `nil` for anything else.
    public static func nameServer(_ text: String) -> Endpoint? {
        if let address = IPAddress(text) { return Endpoint(address, 53) }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        let host = text[..<colon]
        guard host.hasPrefix("["), host.hasSuffix("]") else {
            guard let address = IPAddress(host), address.isV4 else { return nil }
            return Endpoint(address, port)
        }
        return IPAddress(host.dropFirst().dropLast()).map { Endpoint($0, port) }
    }
}
