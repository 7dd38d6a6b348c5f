import NetworkAddress

extension NetworkPolicy {
    /// One line of a policy: what it matches, and what becomes of that.
    public struct Rule: Hashable, Sendable {
        /// What becomes of what it matches.
        public let action: Action
        /// Who begins.
        public let direction: Direction
        /// Whom the sandbox reaches, or who reaches it.
        public let target: Target
        /// One transport, or each when `nil`. A rule with ports matches TCP and UDP only.
        public let transport: Transport?
        /// The ports it holds for, each range with both its ends: the server's, so in ingress the sandbox's own. Every
        /// port when empty.
        public let ports: [ClosedRange<UInt16>]
        /// What has to be spoken for the rule to match, whatever the port.
        public let application: Application?

        /// The most ranges of ports that a rule has.
        public static let maximumPortRanges = 64

        /// A rule that makes sense.
        ///
        /// - Throws: what does not: ports of ICMP, port 0, an application over something else than TCP, a name for who
        ///   comes from outside.
        public init(
            _ action: Action, _ direction: Direction = .egress, _ target: Target, transport: Transport? = nil,
            ports: [ClosedRange<UInt16>] = [], application: Application? = nil
        ) throws(RuleError) {
            if transport == .icmp, !ports.isEmpty { throw .portsOfICMP }
            if ports.contains(where: { $0.lowerBound == 0 }) { throw .portZero }
            if ports.count > Self.maximumPortRanges { throw .tooManyPorts }
            if let application, transport ?? .tcp != .tcp { throw .applicationWithoutTCP(application) }
            if direction == .ingress, target.isByName { throw .nameOfIngress(target) }
            if direction == .ingress, application != nil { throw .applicationOfIngress }
            self.action = action
            self.direction = direction
            self.target = target
            self.transport = application == nil ? transport : .tcp
            self.ports = ports
            self.application = application
        }

        /// The rule that allows a group altogether.
        init(allowing group: Group) {
            action = .allow
            direction = .egress
            target = .group(group)
            transport = nil
            ports = []
            application = nil
        }
    }

    /// What a packet is carried in.
    public enum Transport: String, Hashable, Sendable, CaseIterable {
        case tcp, udp, icmp
    }

    /// What is spoken over TCP, where the client names the server that it means.
    public enum Application: String, Hashable, Sendable, CaseIterable {
        /// HTTP/1, with a `Host` in each request.
        case http
        /// TLS, with a server name in the client's first message.
        case tls
    }

    /// Whom a rule is about.
    public enum Target: Hashable, Sendable {
        /// Everyone.
        case any
        /// These addresses.
        case range(AddressRange)
        /// The server of this name.
        case name(DomainName)
        /// The servers whose names are below this one, at whatever depth: `*.example.com`. Not the name itself.
        case below(DomainName)
        /// The addresses of a kind.
        case group(Group)

        /// Whether it goes by name.
        public var isByName: Bool {
            switch self {
            case .name, .below: true
            case .any, .range, .group: false
            }
        }

        /// Whether it goes by name and the name is one of its own.
        public func matches(_ name: DomainName) -> Bool {
            switch self {
            case .name(let own): own == name
            case .below(let parent): name.isBelow(parent)
            case .any, .range, .group: false
            }
        }
    }
}

extension NetworkPolicy.Rule {
    /// Whether it holds for this transport and port, whoever the other side is.
    func covers(_ transport: NetworkPolicy.Transport, _ port: UInt16) -> Bool {
        if let own = self.transport, own != transport { return false }
        return ports.isEmpty || transport != .icmp && ports.contains { $0.contains(port) }
    }

    /// Whether it holds for every transport and port, so that a name or an address it denies is of no use at all.
    var isUnrestricted: Bool { transport == nil && ports.isEmpty && application == nil }

    /// Whether, allowing, it makes names useful of which nobody knows the addresses yet.
    var opensResolving: Bool { (target == .any || target == .group(.public)) && transport != .icmp }
}
