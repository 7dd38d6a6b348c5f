import NetworkAddress

/// Hosts that a rule is about: one name, all names below one, or one address; at one port or at any.
public struct HostPattern: Hashable, Sendable, CustomStringConvertible {
    /// Which hosts.
    public enum Hosts: Hashable, Sendable {
        case exactly(HostName)
        /// All names below this one at whatever depth, and not itself.
        case below(DomainName)
    }

    /// Which hosts.
    public let hosts: Hosts
    /// Which of their ports; `nil` for any.
    public let port: UInt16?

    /// One host.
    public init(_ host: HostName, port: UInt16? = nil) {
        hosts = .exactly(host)
        self.port = port
    }

    /// Reads `api.example.com`, `*.example.com`, `192.0.2.1`, `[2001:db8::1]`, each perhaps followed by `:443`, or
    /// `2001:db8::1`; `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        // The longest is a name with a wildcard and a port.
        guard text.utf8.count <= 264 else { return nil }
        if IPAddress(text) != nil {
            guard let host = HostName(text) else { return nil }
            self.init(host)
            return
        }
        var name = text[...]
        var port: UInt16?
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            let digits = text[text.index(after: colon)...]
            guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt16(digits), number > 0
            else { return nil }
            port = number
            name = text[..<colon]
        }
        if name.hasPrefix("*.") {
            guard let domain = DomainName(name.dropFirst(2)) else { return nil }
            self.init(.below(domain), port: port)
        } else {
            guard let host = HostName(name) else { return nil }
            self.init(host, port: port)
        }
    }

    private init(_ hosts: Hosts, port: UInt16?) {
        self.hosts = hosts
        self.port = port
    }

    /// Whether the host at this port is one of them.
    public func matches(_ host: HostName, port: UInt16) -> Bool {
        guard self.port == nil || self.port == port else { return false }
        switch (hosts, host) {
        case (.exactly(let own), _): return own == host
        case (.below(let domain), .name(let name)): return name.isBelow(domain)
        case (.below, .address): return false
        }
    }

    /// As it is written.
    public var description: String {
        let name =
            switch hosts {
            case .exactly(.address(let address)) where port != nil && !address.isV4: "[\(address)]"
            case .exactly(let host): host.description
            case .below(let domain): "*.\(domain.text)"
            }
        return port.map { "\(name):\($0)" } ?? name
    }
}

extension HostPattern: Codable {
    /// Reads its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let pattern = HostPattern(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no host or pattern of hosts")
        }
        self = pattern
    }

    /// Writes its text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
