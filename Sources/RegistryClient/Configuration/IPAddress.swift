import Glibc

/// An address of IPv4 or IPv6, in network byte order.
struct IPAddress: Hashable, Sendable {
    /// 4 or 16 bytes.
    let bytes: [UInt8]

    /// Reads an address without brackets and port; an IPv4 address mapped into IPv6 is one of IPv4.
    init?(_ text: some StringProtocol) {
        let text = String(text)
        guard text.utf8.count <= 45 else { return nil }
        var small = in_addr()
        var large = in6_addr()
        if inet_pton(AF_INET, text, &small) == 1 {
            bytes = withUnsafeBytes(of: small) { Array($0) }
        } else if inet_pton(AF_INET6, text, &large) == 1 {
            let all = withUnsafeBytes(of: large) { Array($0) }
            let isMapped = all.starts(with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF])
            bytes = isMapped ? Array(all.dropFirst(12)) : all
        } else {
            return nil
        }
    }

    /// Whether it names this host: `127.0.0.0/8` or `::1`.
    var isLoopback: Bool {
        bytes.count == 4 ? bytes.first == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1]
    }

    /// Whether the first `length` bits are those of `network`.
    func isIn(_ network: IPAddress, length: Int) -> Bool {
        guard network.bytes.count == bytes.count, (0...bytes.count * 8).contains(length) else { return false }
        return zip(bytes, network.bytes).enumerated().allSatisfy { index, pair in
            let count = min(max(length - index * 8, 0), 8)
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> count)
            return pair.0 & mask == pair.1 & mask
        }
    }
}

extension String {
    /// Whether a host name or address, without brackets, names this host.
    var isLoopbackHost: Bool {
        lowercased() == "localhost" || lowercased().hasSuffix(".localhost") || IPAddress(self)?.isLoopback == true
    }
}
