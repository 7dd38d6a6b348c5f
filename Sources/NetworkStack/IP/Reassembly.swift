import NetworkAddress

/// Puts datagrams together from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5), within bounds of number,
/// bytes and time. Fragments that overlap make their datagram void (RFC 5722); the same one again does nothing.
struct Reassembly {
    /// Which datagram a fragment belongs to.
    struct Key: Hashable {
        var source: IPAddress
        var destination: IPAddress
        var identification: UInt32
        /// Of IPv4; fragments of IPv6 belong together whatever they say.
        var protocolNumber: UInt8
    }

    private struct Assembly {
        var bytes: [UInt8] = []
        /// What has come; none of them overlap.
        var ranges: [Range<Int>] = []
        /// Known once the last fragment has come.
        var total: Int?
        /// What the datagram begins with; known once the first fragment has come.
        var nextHeader: UInt8 = 0
        var hopLimit: UInt8 = 0
        /// When it is given up.
        var deadline: Instant
        /// Overlapping fragments came; kept, empty, so that their rest is dropped too.
        var isVoid = false
    }

    /// A datagram that is whole.
    struct Whole {
        var bytes: [UInt8]
        var nextHeader: UInt8
        var hopLimit: UInt8
    }

    private static let largest = 65535
    /// Fragments of the smallest packets of IPv4 that networks must carry make about 120 of the largest datagram.
    private static let rangeLimit = 128

    private let countLimit: Int
    private let byteLimit: Int
    private let lifetime: UInt64
    private var assemblies: [Key: Assembly] = [:]
    /// In the order in which they were begun, which is also that of their deadlines.
    private var order: [Key] = []
    private(set) var byteCount = 0

    init(_ limits: StackLimits) {
        countLimit = max(1, limits.fragmentedDatagrams)
        byteLimit = limits.fragmentBytes
        lifetime = limits.reassembly
    }

    /// How many datagrams are being put together.
    var count: Int { assemblies.count }

    /// When the oldest is given up.
    var deadline: Instant? { order.first.flatMap { assemblies[$0]?.deadline } }

    /// Takes a fragment; gives the datagram when it is the last one that was missing.
    mutating func add(
        _ fragment: PacketBytes, offset: Int, moreFragments: Bool, nextHeader: UInt8, hopLimit: UInt8, key: Key,
        at now: Instant
    ) -> Whole? {
        expire(now)
        let end = offset + fragment.count
        // Only the last may have a length that no offset can follow.
        guard fragment.count > 0, end <= Self.largest, !moreFragments || fragment.count % 8 == 0 else { return nil }
        var assembly: Assembly
        if let known = assemblies[key] {
            assembly = known
            // So that its bytes are not copied when they are changed.
            assemblies[key]?.bytes = []
        } else {
            if assemblies.count >= countLimit, let oldest = order.first { drop(oldest) }
            assembly = Assembly(deadline: now.advanced(by: lifetime))
            order.append(key)
            assemblies[key] = assembly
        }
        guard !assembly.isVoid else { return nil }
        byteCount -= assembly.bytes.count
        let known = assembly.ranges
        if known.contains(offset..<end) {
            // Exactly the same once more.
        } else if known.contains(where: { $0.overlaps(offset..<end) }) || known.count >= Self.rangeLimit
            || !Self.fits(end: end, moreFragments: moreFragments, assembly)
            || byteCount + max(assembly.bytes.count, end) > byteLimit
        {
            assembly = Assembly(deadline: assembly.deadline, isVoid: true)
        } else {
            if assembly.bytes.count < end { assembly.bytes += [UInt8](repeating: 0, count: end - assembly.bytes.count) }
            assembly.bytes.withUnsafeMutableBytes { FrameBytes($0).copy(fragment.buffer, to: offset) }
            assembly.ranges.append(offset..<end)
            if !moreFragments { assembly.total = end }
            if offset == 0 {
                assembly.nextHeader = nextHeader
                assembly.hopLimit = hopLimit
            }
        }
        byteCount += assembly.bytes.count
        assemblies[key] = assembly
        guard let total = assembly.total, assembly.ranges.reduce(0, { $0 + $1.count }) == total else { return nil }
        drop(key)
        return Whole(bytes: assembly.bytes, nextHeader: assembly.nextHeader, hopLimit: assembly.hopLimit)
    }

    /// Whether a fragment agrees with the length that the last one gave the datagram.
    private static func fits(end: Int, moreFragments: Bool, _ assembly: Assembly) -> Bool {
        if let total = assembly.total { return moreFragments && end <= total }
        return moreFragments || assembly.bytes.count <= end
    }

    /// Gives up what has waited too long.
    mutating func expire(_ now: Instant) {
        while let oldest = order.first, let assembly = assemblies[oldest], assembly.deadline <= now { drop(oldest) }
    }

    private mutating func drop(_ key: Key) {
        if let dropped = assemblies.removeValue(forKey: key) { byteCount -= dropped.bytes.count }
        if let index = order.firstIndex(of: key) { order.remove(at: index) }
    }
}
