/// The addresses that begin with the same bits: a prefix of CIDR (RFC 4632, RFC 4291 section 2.3).
public struct AddressRange: Hashable, Sendable {
    /// The first of them; its bits after the prefix are zero.
    public let base: IPAddress
    /// How many bits they share, from 0 to 32 or 128.
    public let length: Int

    /// The addresses that share the first `length` bits with `address`; `nil` when it has not that many.
    public init?(_ address: IPAddress, length: Int) {
        guard (0...address.width).contains(length) else { return nil }
        self.length = length
        switch address {
        case .v4(let address): base = .v4(IPv4Address(address.value & Self.mask(length)))
        case .v6(let address):
            base = .v6(
                IPv6Address(high: address.high & Self.mask(length), low: address.low & Self.mask(max(length - 64, 0))))
        }
    }

    /// One address.
    public init(_ address: IPAddress) {
        base = address
        length = address.width
    }

    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address without a length; `nil` for anything else, also for an address
    /// with bits after its prefix, which is mostly a mistake.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        guard parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
        guard base == address else { return nil }
    }

    /// Whether the address begins with the same bits. An IPv4 address is never in a range of IPv6.
    public func contains(_ address: IPAddress) -> Bool {
        switch (base, address) {
        case (.v4(let base), .v4(let address)): (base.value ^ address.value) & Self.mask(length) == 0
        case (.v6(let base), .v6(let address)):
            (base.high ^ address.high) & Self.mask(length) == 0
                && (base.low ^ address.low) & Self.mask(max(length - 64, 0)) == 0
        default: false
        }
    }

    /// A number whose first `length` bits are ones.
    private static func mask<Number: FixedWidthInteger>(_ length: Int) -> Number {
        length <= 0 ? 0 : length >= Number.bitWidth ? ~0 : ~0 << (Number.bitWidth - length)
    }
}

extension AddressRange: CustomStringConvertible {
    /// `10.0.0.0/8`; one address without its length.
    public var description: String { length == base.width ? "\(base)" : "\(base)/\(length)" }
}
