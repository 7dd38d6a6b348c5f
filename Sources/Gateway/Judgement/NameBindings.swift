import NetworkAddress

/// Which addresses this sandbox's own questions were answered with, for which names, and until when.
struct NameBindings {
    /// Most pairs of name and address; the one that ends first makes room.
    private static let most = 16_384
    /// An answer holds at least as long, in nanoseconds: whoever asks connects a moment later, however short it lives.
    private static let shortest: UInt64 = 10_000_000_000
    /// And at most as long.
    private static let longest: UInt64 = 86_400_000_000_000

    private var ends: [IPAddress: [DomainName: UInt64]] = [:]
    private var count = 0

    /// Notes that `name` was answered with `address`.
    /// - Parameter life: in nanoseconds.
    mutating func add(_ name: DomainName, _ address: IPAddress, life: UInt64, at now: UInt64) {
        if count >= Self.most { makeRoom(at: now) }
        let end = now &+ min(max(life, Self.shortest), Self.longest)
        let known = ends[address]?[name]
        if known == nil { count += 1 }
        ends[address, default: [:]][name] = max(end, known ?? 0)
    }

    /// The names that lead to an address now, in order.
    func names(of address: IPAddress, at now: UInt64) -> [DomainName] {
        guard let known = ends[address] else { return [] }
        return known.filter { $0.value > now }.keys.sorted()
    }

    /// Drops what has ended, and a quarter of the rest when that is not enough.
    private mutating func makeRoom(at now: UInt64) {
        var all = ends.flatMap { address, names in names.map { (address, $0.key, $0.value) } }
        all.removeAll { $0.2 <= now }
        if all.count > Self.most * 3 / 4 {
            all.sort { $0.2 > $1.2 }
            all.removeLast(all.count - Self.most * 3 / 4)
        }
        ends = [:]
        for (address, name, end) in all { ends[address, default: [:]][name] = end }
        count = all.count
    }
}
