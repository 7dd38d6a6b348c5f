/// The network as each sandbox sees it: the same for all, since nobody else is on it.
///
/// The addresses are none that a network of the host can have: those of IPv4 are kept for translation within a host
/// (RFC 7335), the prefix of IPv6 is a random one (RFC 4193).
public enum GuestNetwork {
    /// The network device.
    public static let interface = "eth0"
    /// Addresses of the sandbox, with the lengths of their prefixes.
    public static let addresses = ["192.0.0.2/29", "fd5a:6e70:1b5e::2/64"]
    /// Addresses of the gateway, to which all goes that leaves; it is the name server too.
    public static let gateways = ["192.0.0.1", "fd5a:6e70:1b5e::1"]
    /// The gateway's hardware address.
    public static let gatewayHardwareAddress: [UInt8] = [0x02, 0x5A, 0x6E, 0x70, 0x00, 0x01]
    /// Longest packet in bytes.
    public static let maximumPacket = 65_520
}
