import LinuxSystem
import NetworkAddress

/// The addresses of a private network: a range of IPv4 and one of IPv6, and what each number of a member stands for.
public struct PrivateSubnet: Codable, Equatable, Sendable {
    /// Of IPv4: as large as ``lengths`` say, of the addresses of RFC 1918.
    public let v4: AddressRange
    /// Of IPv6: a random prefix of 64 bits (RFC 4193).
    public let v6: AddressRange

    /// How many bits the range of IPv4 may have before the members' own.
    public static let lengths = 16...29
    /// The numbers of members. 0 is the network itself, 1 is kept for a gateway, the last one means all.
    public var numbers: ClosedRange<UInt32> { 2...(UInt32(1) << UInt32(32 - v4.length)) - 2 }

    /// A range of IPv4, with a random one of IPv6.
    /// - Returns: `nil` when the range is none of RFC 1918, or of another size than a network may have.
    public init?(_ range: AddressRange) {
        self.init(
            range,
            AddressRange(.v6(IPv6Address(high: .random(in: .min ... .max) >> 8 | 0xFD << 56, low: 0)), length: 64))
    }

    private init?(_ v4: AddressRange, _ v6: AddressRange?) {
        guard let v6, case .v6(let base) = v6.base, base.high >> 56 == 0xFD, v6.length == 64, v4.base.isV4,
            Self.lengths.contains(v4.length),
            Self.private.contains(where: { $0.length <= v4.length && $0.contains(v4.base) })
        else { return nil }
        (self.v4, self.v6) = (v4, v6)
    }

    /// RFC 1918
    private static let `private` = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].compactMap { AddressRange($0) }

    /// A subnet that has nothing in common with others, nor with the host's own addresses; `nil` when there is none.
    static func free(besides others: [PrivateSubnet]) -> PrivateSubnet? {
        let addresses = ((try? InterfaceAddresses.all()) ?? []).compactMap { IPAddress(bytes: $0) }
        for number in UInt32(0)..<256 {
            guard let range = AddressRange(.v4(IPv4Address(first + number << 10)), length: usualLength),
                !others.contains(where: { $0.overlaps(range) }), !addresses.contains(where: range.contains)
            else { continue }
            return PrivateSubnet(range)
        }
        return nil
    }

    /// 10.188.0.0/14 has 256 networks of 1021 members each.
    private static let first = IPv4Address(10, 188, 0, 0).value
    private static let usualLength = 22

    /// Whether an address of IPv4 is in both.
    func overlaps(_ range: AddressRange) -> Bool { v4.contains(range.base) || range.contains(v4.base) }

    /// Whether an address is in it.
    public func contains(_ address: IPAddress) -> Bool { v4.contains(address) || v6.contains(address) }

    /// Whether an address is none that a member can have, but means the network or all of it.
    public func isForAll(_ address: IPAddress) -> Bool {
        guard case .v4(let address) = address, case .v4(let base) = v4.base else { return false }
        return address.value == base.value || address.value - base.value == numbers.upperBound + 1
    }

    /// The addresses of the member of a number, of IPv4 and of IPv6.
    public func addresses(of number: UInt32) -> [IPAddress] {
        guard case .v4(let small) = v4.base, case .v6(let large) = v6.base else { return [] }
        return [
            .v4(IPv4Address(small.value &+ number)),
            .v6(IPv6Address(high: large.high, low: large.low &+ UInt64(number))),
        ]
    }

    private enum Key: String, CodingKey { case v4, v6 }

    /// Reads the two ranges.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func range(_ key: Key) throws -> AddressRange? { AddressRange(try container.decode(String.self, forKey: key)) }
        guard let v4 = try range(.v4), let subnet = PrivateSubnet(v4, try range(.v6)) else {
            throw DecodingError.dataCorruptedError(forKey: .v4, in: container, debugDescription: "no private network")
        }
        self = subnet
    }

    /// Writes the two ranges.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode("\(v4)", forKey: .v4)
        try container.encode("\(v6)", forKey: .v6)
    }
}
