import NetworkAddress

/// The addresses on the link between guest and gateway.
public struct GuestAddresses: Sendable, Equatable {
    /// The guest's, of IPv4.
    public var guest: IPAddress
    /// The guest's, of IPv6.
    public var guestV6: IPAddress
    /// The gateway's, of IPv4.
    public var gateway: IPAddress
    /// The gateway's, of IPv6.
    public var gatewayV6: IPAddress
    /// The gateway's hardware address: 6 bytes.
    public var gatewayMAC: [UInt8]

    /// Addresses.
    public init(
        guest: IPAddress, guestV6: IPAddress, gateway: IPAddress, gatewayV6: IPAddress, gatewayMAC: [UInt8]
    ) {
        self.guest = guest
        self.guestV6 = guestV6
        self.gateway = gateway
        self.gatewayV6 = gatewayV6
        self.gatewayMAC = gatewayMAC
    }

    /// The gateway's address of the same version as another.
    func gateway(like address: IPAddress) -> IPAddress { address.isV4 ? gateway : gatewayV6 }

    /// The gateway's address of the other version.
    func other(than address: IPAddress) -> IPAddress { address.isV4 ? gatewayV6 : gateway }

    /// Whether it is one of the gateway's.
    func isGateway(_ address: IPAddress) -> Bool { address == gateway || address == gatewayV6 }

    /// The host as the host itself knows it, for what the guest sends to the gateway.
    static func loopback(like address: IPAddress) -> IPAddress {
        address.isV4 ? .v4(IPv4Address(127, 0, 0, 1)) : .v6(IPv6Address(high: 0, low: 1))
    }
}
