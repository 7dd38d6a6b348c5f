import NetworkAddress
import SandboxState

/// What stands behind a published port.
protocol PortListener: AnyObject {
    /// Where it listens: the host's address, with the port that the kernel has chosen where it was to choose.
    var port: PublishedPort { get }
    /// Listens no more. Connections that were made go on.
    func close(in loop: GatewayLoop)
}

/// Where a service of the sandbox may listen, the likeliest first: on its own address, or on the loopback address only.
/// That one the guest's kernel takes from its network device too, as it was told to.
enum GuestService {
    static func targets(_ port: UInt16, _ addresses: GuestAddresses) -> [IPAddress] {
        [addresses.guest, .v4(IPv4Address(127, 0, 0, 1)), addresses.guestV6]
    }
}
