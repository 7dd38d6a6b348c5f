import CLinux

/// The addresses of the host: getifaddrs(3).
public enum InterfaceAddresses {
    /// The most that are listed.
    private static let most = 4096

    /// Every address of any interface at this moment: 4 bytes of IPv4 or 16 of IPv6, in network order.
    /// - Throws: ``SystemError``.
    public static func all() throws(SystemError) -> [[UInt8]] {
        var found = [linux_endpoint](repeating: linux_endpoint(), count: most)
        let count = found.withUnsafeMutableBufferPointer {
            linux_host_addresses($0.baseAddress, Int32(clamping: $0.count))
        }
        guard count >= 0 else { throw SystemError("list the addresses of the host") }
        return found.prefix(Int(count)).map { endpoint in
            withUnsafeBytes(of: endpoint.address) { Array($0.prefix(Int(endpoint.length))) }
        }
    }
}
