import NetworkAddress

/// A port of the host behind which one of a sandbox's is reached.
public struct PublishedPort: Codable, Hashable, Sendable {
    /// What is carried.
    public enum Transport: String, Codable, Sendable {
        case tcp, udp
    }

    /// The host's address; any of a version is `0.0.0.0` or `::`.
    public var address: IPAddress
    /// The host's port; 0 lets the host choose one.
    public var hostPort: UInt16
    /// The sandbox's port.
    public var guestPort: UInt16
    /// What is carried.
    public var transport: Transport

    /// A port.
    public init(
        _ hostPort: UInt16, to guestPort: UInt16, on address: IPAddress = .v4(IPv4Address(127, 0, 0, 1)),
        _ transport: Transport = .tcp
    ) {
        self.address = address
        self.hostPort = hostPort
        self.guestPort = guestPort
        self.transport = transport
    }

    /// Whether another leads to the same port, whatever the host's own is.
    public func isLike(_ other: PublishedPort) -> Bool {
        address == other.address && guestPort == other.guestPort && transport == other.transport
    }

    /// Most ports that one text may name.
    public static let most = 1024

    /// Reads `[IP:]HOST:GUEST[/udp]` and `PORT`, where each may be a range `FIRST-LAST` of the same length: `8080:80`,
    /// `0.0.0.0:53:53/udp`, `[::1]:8000-8010:9000-9010`. The host's address is the loopback address when none is given.
    /// - Throws: ``StateError/badPort(_:reason:)``.
    public static func parse(_ text: String) throws(StateError) -> [PublishedPort] {
        func refuse(_ reason: String) -> StateError { .badPort(text, reason: reason) }
        var rest = text[...]
        var transport = Transport.tcp
        if let slash = rest.lastIndex(of: "/") {
            guard let given = Transport(rawValue: String(rest[rest.index(after: slash)...])) else {
                throw refuse("after the slash write tcp or udp")
            }
            transport = given
            rest = rest[..<slash]
        }
        var address = IPAddress.v4(IPv4Address(127, 0, 0, 1))
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]"),
                let given = IPAddress(rest[rest.index(after: rest.startIndex)..<end]),
                rest[end...].hasPrefix("]:")
            else { throw refuse("write an address of IPv6 as [ADDRESS]:HOST:GUEST") }
            address = given
            rest = rest[end...].dropFirst(2)
        }
        var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 3, !text.hasPrefix("[") {
            guard let given = IPAddress(parts[0]) else { throw refuse("'\(parts[0])' is no IP address") }
            address = given
            parts.removeFirst()
        }
        guard let last = parts.last, parts.count <= 2, let guest = range(last), let host = range(parts[0]) else {
            throw refuse("write [IP:]HOST:GUEST with ports from 1 to 65535, or ranges of them")
        }
        guard host.count == guest.count else { throw refuse("the two ranges are not equally long") }
        guard host.count <= most else { throw refuse("these are more than \(most) ports") }
        guard guest.lowerBound > 0 else { throw refuse("a sandbox has no port 0") }
        guard host.lowerBound > 0 || host.count == 1 else { throw refuse("a range begins at 1") }
        return zip(host, guest).map { PublishedPort($0, to: $1, on: address, transport) }
    }

    private static func range(_ text: Substring) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(ends.count), ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let first = UInt16(ends[0]), let last = ends.count == 2 ? UInt16(ends[1]) : first, first <= last
        else { return nil }
        return first...last
    }
}

extension PublishedPort: CustomStringConvertible {
    /// `127.0.0.1:8080:80`, with `/udp` for datagrams.
    public var description: String {
        "\(Endpoint(address, hostPort)):\(guestPort)" + (transport == .udp ? "/udp" : "")
    }
}
