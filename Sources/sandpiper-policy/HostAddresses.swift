import Glibc
import NetworkAddress

/// The addresses of the host.
enum HostAddresses {
    /// Every address of any interface at this moment; those that can be read.
    static func current() -> Set<IPAddress> {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var addresses: Set<IPAddress> = []
        var entry = first
        // Sound: the list is the system's, whole until it is freed, and an address has the size that its family says.
        while let interface = entry?.pointee {
            if let address = interface.ifa_addr {
                switch Int32(address.pointee.sa_family) {
                case AF_INET:
                    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                        _ = addresses.insert(.v4(IPv4Address(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))))
                    }
                case AF_INET6:
                    address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                        _ = addresses.insert(.v6(IPv6Address($0.pointee.sin6_addr)))
                    }
                default: break
                }
            }
            entry = interface.ifa_next
        }
        return addresses
    }
}
