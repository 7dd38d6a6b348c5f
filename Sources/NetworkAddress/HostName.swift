/// What a client calls a host: a name or an address.
public enum HostName: Hashable, Sendable, CustomStringConvertible {
    case name(DomainName)
    case address(IPAddress)

    /// Reads `api.example.com`, `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`; `nil` for anything else.
    public init?(_ text: some StringProtocol) {
        if text.hasPrefix("["), text.hasSuffix("]") {
            guard let address = IPAddress(text.dropFirst().dropLast()), !address.isV4 else { return nil }
            self = .address(address)
        } else if let address = IPAddress(text) {
            self = .address(address)
        } else if let name = DomainName(text) {
            self = .name(name)
        } else {
            return nil
        }
    }

    /// The name, if it has one.
    public var domainName: DomainName? { if case .name(let name) = self { name } else { nil } }

    /// `api.example.com`, `192.0.2.1` or `2001:db8::1`
    public var description: String {
        switch self {
        case .name(let name): name.text
        case .address(let address): address.description
        }
    }
}
