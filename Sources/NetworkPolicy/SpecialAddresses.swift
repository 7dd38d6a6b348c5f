import NetworkAddress

/// Which addresses are of which kind (IANA's registries of special-purpose addresses, RFC 6890).
enum SpecialAddresses {
    /// Each range of IPv4 that is not public. The first that has an address says its kind.
    private static let rangesV4: [(UInt32, UInt32, NetworkPolicy.Group)] = [
        (v4(0, 0, 0, 0), 8, .reserved),
        (v4(10, 0, 0, 0), 8, .private),
        (v4(100, 64, 0, 0), 10, .carrierNAT),
        (v4(127, 0, 0, 0), 8, .loopback),
        (v4(169, 254, 0, 0), 16, .linkLocal),
        (v4(172, 16, 0, 0), 12, .private),
        (v4(192, 0, 0, 0), 24, .reserved),
        // Relays of 6to4 (RFC 7526): they lead to wherever the one that answers wants.
        (v4(192, 88, 99, 0), 24, .reserved),
        (v4(192, 168, 0, 0), 16, .private),
        (v4(198, 18, 0, 0), 15, .reserved),
        (v4(224, 0, 0, 0), 4, .multicast),
        (v4(240, 0, 0, 0), 4, .reserved),
    ]

    private static func v4(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) -> UInt32 { IPv4Address(a, b, c, d).value }

    /// The one group by kind that an address is in: `public`, `private`, `loopback`, `linkLocal`, `carrierNAT`,
    /// `multicast` or `reserved`. An address that is a form of one of IPv4 is of that one's kind.
    static func kind(of address: IPAddress) -> NetworkPolicy.Group {
        switch address {
        case .v4(let address):
            rangesV4.first { (address.value ^ $0.0) >> (32 - $0.1) == 0 }?.2 ?? .public
        case .v6(let address): kind(of: address)
        }
    }

    private static func kind(of address: IPv6Address) -> NetworkPolicy.Group {
        if address.high == 0, address.low == 1 { return .loopback }
        // For translation within one network (RFC 8215), which alone knows where in it the IPv4 address stands.
        if address.high >> 16 == 0x0064_FF9B_0001 { return .reserved }
        if let embedded = address.embeddedIPv4 { return kind(of: .v4(embedded)) }
        let first = address.high >> 48
        switch first {
        case 0xFC00...0xFDFF: return .private
        case 0xFE80...0xFEBF: return .linkLocal
        // Site-local (RFC 3879), of which some networks have kept theirs.
        case 0xFEC0...0xFEFF: return .private
        case 0xFF00...0xFFFF: return .multicast
        // Of what is given out (2000::/3): protocol assignments, Teredo (2001::/32) among them, are not for hosts.
        case 0x2001 where address.high >> 41 == 0x2001_0000 >> 9: return .reserved
        case 0x2000...0x3FFF: return .public
        default: return .reserved
        }
    }

    /// Where clouds have their instances ask for credentials and settings.
    static let metadata: [AddressRange] = [
        // Amazon, Google, Azure, Oracle, DigitalOcean, Hetzner, OpenStack and most others at .254; the rest of the /24 is
        // where they have their time, name and licence servers.
        "169.254.169.0/24",
        // Credentials of Amazon's containers (ECS) and pods (EKS).
        "169.254.170.2", "169.254.170.23",
        // Tencent, Scaleway.
        "169.254.0.23", "169.254.42.42",
        // Amazon (with its pods, names and time), Google, Scaleway, OpenStack over IPv6.
        "fd00:ec2::/32", "fd20:ce::254", "fd00:42::42", "fe80::a9fe:a9fe",
        // Azure's platform: a public address that only its machines reach.
        "168.63.129.16",
        // Alibaba, Oracle's classic cloud.
        "100.100.100.200", "192.0.0.192",
    ].compactMap { AddressRange($0) }
}
