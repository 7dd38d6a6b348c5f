import LinuxSystem
import NetworkAddress
import SandboxState

/// What stands behind a published port.
protocol PortListener: AnyObject {
    /// Where it listens: the host's address, with the port that the kernel has chosen where it was to choose.
    var port: PublishedPort { get }
    /// Whether somebody uses the port.
    var isUsed: Bool { get }
    /// Leaves callers waiting, or lets them come in again.
    func suspend(_ isSuspended: Bool, in loop: GatewayLoop)
    /// Listens no more. Connections that were made go on.
    func close(in loop: GatewayLoop)
    /// Listens no more, but leaves the socket open for another.
    func giveUp(in loop: GatewayLoop) -> Descriptor?
}

/// Where a service of the sandbox may listen, the likeliest first: on its own addresses, or on a loopback address only.
/// Those the guest's kernel takes from its network device too, as it was told to.
enum GuestService {
    static func targets(_ port: UInt16, _ addresses: GuestAddresses) -> [IPAddress] {
        let own = [addresses.guest, addresses.guestV6]
        let loopback = own.map { GuestAddresses.loopback(like: $0) }
        return [own[0], loopback[0], loopback[1], own[1]]
    }
}
