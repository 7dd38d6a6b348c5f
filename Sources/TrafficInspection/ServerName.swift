import NetworkAddress

/// The server that a request of HTTP is for.
public enum ServerName: Hashable, Sendable {
    /// By its name.
    case name(DomainName)
    /// By its address.
    case address(IPAddress)
    /// Not said: HTTP/1.0 without `Host`, or an empty one.
    case none

    /// The name, if it has one.
    public var domainName: DomainName? { if case .name(let name) = self { name } else { nil } }

    /// Reads `api.example.com:8080`, `192.0.2.1`, `[2001:db8::1]:80`, or nothing; `nil` for what else stands there.
    init?(authority text: Substring) {
        guard !text.isEmpty else {
            self = .none
            return
        }
        var host = text
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]"), Self.isPort(host[host.index(after: end)...]),
                let address = IPAddress(host[host.index(after: host.startIndex)..<end]), !address.isV4
            else { return nil }
            self = .address(address)
            return
        }
        if let colon = host.firstIndex(of: ":") {
            guard Self.isPort(host[colon...]) else { return nil }
            host = host[..<colon]
        }
        if let address = IPAddress(host) {
            self = .address(address)
        } else if let name = DomainName(host) {
            self = .name(name)
        } else {
            return nil
        }
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty
            || text.first == ":" && text.utf8.count <= 6
                && text.utf8.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
    }
}
