import CLinux
import LinuxSystem
import NetworkAddress

/// The addresses that the host has at this moment, on whatever interface, followed through rtnetlink(7).
final class HostAddresses {
    /// All of them.
    private(set) var current: Set<IPAddress> = []
    /// Becomes readable when they change.
    let changes: Descriptor

    /// Looks at the addresses, after subscribing to their changes, so that none is missed.
    /// - Throws: ``SystemError``.
    init() throws(SystemError) {
        changes = Descriptor(owning: linux_host_address_changes())
        guard changes.rawValue >= 0 else { throw SystemError("follow the addresses of the host") }
        try read()
    }

    /// Takes note of changes.
    /// - Throws: ``SystemError``; the addresses are as before then.
    func update() throws(SystemError) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        // What they say does not matter, nor whether some were lost: all is read again.
        while buffer.withUnsafeMutableBytes({
            linux_internet_receive(changes.rawValue, $0.baseAddress, $0.count, &ignored)
        })
            > 0
        {}
        try read()
    }

    private var ignored = linux_endpoint()

    private func read() throws(SystemError) {
        current = Set(try InterfaceAddresses.all().compactMap { IPAddress(bytes: $0) })
    }
}
