import NetworkAddress

/// The checksum of the internet protocols (RFC 1071), as it comes together.
///
/// Words are added in the order of the machine and not of the network: the sum is the same up to a swap of bytes
/// (section 2(B) there), and most of them are added eight bytes at a time.
struct Checksum {
    private var sum: UInt64 = 0

    /// Of nothing yet.
    init() {}

    /// With the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1) for `length` bytes.
    init(pseudoHeaderFrom source: IPAddress, to destination: IPAddress, protocolNumber: UInt8, length: Int) {
        add(source)
        add(destination)
        add(UInt16(protocolNumber))
        add(UInt32(truncatingIfNeeded: length))
    }

    /// Adds a number, which begins at an even place.
    mutating func add(_ value: UInt16) { sum &+= UInt64(value.bigEndian) }
    mutating func add(_ value: UInt32) { sum &+= UInt64(value.bigEndian) }

    private mutating func add(_ address: IPAddress) {
        switch address {
        case .v4(let address): add(address.value)
        case .v6(let address):
            add(UInt32(truncatingIfNeeded: address.high >> 32))
            add(UInt32(truncatingIfNeeded: address.high))
            add(UInt32(truncatingIfNeeded: address.low >> 32))
            add(UInt32(truncatingIfNeeded: address.low))
        }
    }

    /// Adds bytes, which begin at an even place.
    mutating func add(_ bytes: PacketBytes) {
        guard let base = bytes.buffer.baseAddress else { return }
        add(sum: Self.sum(base, count: bytes.count), isOdd: false)
    }

    /// Adds what `sum` or `copy` gave for bytes that begin at an even or an odd place.
    mutating func add(sum part: UInt64, isOdd: Bool) {
        let folded = Self.fold(part)
        sum &+= UInt64(isOdd ? folded.byteSwapped : folded)
    }

    /// The field of a header, in the order of the network.
    var field: UInt16 { ~Self.fold(sum) }

    /// Whether all that was added, the field of the checksum included, is as it was sent.
    var isValid: Bool { Self.fold(sum) == 0xFFFF }

    private static func fold(_ sum: UInt64) -> UInt16 {
        var sum = (sum & 0xFFFF_FFFF) + (sum >> 32)
        sum = (sum & 0xFFFF) + (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16)
        return UInt16(truncatingIfNeeded: sum)
    }

    /// The sum of `count` readable bytes, to be folded. At most 4 GiB, or the halves would overflow.
    static func sum(_ base: UnsafeRawPointer, count: Int) -> UInt64 {
        var low0: UInt64 = 0, low1: UInt64 = 0, high0: UInt64 = 0, high1: UInt64 = 0
        var offset = 0
        // Every load lies within the `count` bytes: `offset` is at most `count` less what is loaded.
        while offset <= count &- 32 {
            let a = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let b = base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
            let c = base.loadUnaligned(fromByteOffset: offset &+ 16, as: UInt64.self)
            let d = base.loadUnaligned(fromByteOffset: offset &+ 24, as: UInt64.self)
            low0 &+= (a & 0xFFFF_FFFF) &+ (c & 0xFFFF_FFFF)
            low1 &+= (b & 0xFFFF_FFFF) &+ (d & 0xFFFF_FFFF)
            high0 &+= (a >> 32) &+ (c >> 32)
            high1 &+= (b >> 32) &+ (d >> 32)
            offset &+= 32
        }
        return low0 &+ low1 &+ high0 &+ high1 &+ sumOfFew(base + offset, count: count &- offset)
    }

    /// Copies `count` bytes between memory that does not overlap, and gives their sum, as `sum` does.
    static func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) -> UInt64 {
        var low0: UInt64 = 0, low1: UInt64 = 0, high0: UInt64 = 0, high1: UInt64 = 0
        var offset = 0
        // Every load and store lies within the `count` bytes: `offset` is at most `count` less what is copied.
        while offset <= count &- 32 {
            let a = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let b = source.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
            let c = source.loadUnaligned(fromByteOffset: offset &+ 16, as: UInt64.self)
            let d = source.loadUnaligned(fromByteOffset: offset &+ 24, as: UInt64.self)
            target.storeBytes(of: a, toByteOffset: offset, as: UInt64.self)
            target.storeBytes(of: b, toByteOffset: offset &+ 8, as: UInt64.self)
            target.storeBytes(of: c, toByteOffset: offset &+ 16, as: UInt64.self)
            target.storeBytes(of: d, toByteOffset: offset &+ 24, as: UInt64.self)
            low0 &+= (a & 0xFFFF_FFFF) &+ (c & 0xFFFF_FFFF)
            low1 &+= (b & 0xFFFF_FFFF) &+ (d & 0xFFFF_FFFF)
            high0 &+= (a >> 32) &+ (c >> 32)
            high1 &+= (b >> 32) &+ (d >> 32)
            offset &+= 32
        }
        let rest = count &- offset
        if rest > 0 { (target + offset).copyMemory(from: source + offset, byteCount: rest) }
        return low0 &+ low1 &+ high0 &+ high1 &+ sumOfFew(source + offset, count: rest)
    }

    private static func sumOfFew(_ base: UnsafeRawPointer, count: Int) -> UInt64 {
        var sum: UInt64 = 0
        var offset = 0
        // Within the `count` bytes, as above.
        while offset <= count &- 2 {
            sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < count { sum &+= UInt64(UInt16(base.load(fromByteOffset: offset, as: UInt8.self)).littleEndian) }
        return sum
    }
}
