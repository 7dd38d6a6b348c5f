/// A hash table from a directory and a name to a node; holds node numbers only.
///
/// The hash is keyed at random in each process (SipHash of the standard library), so that nobody can choose names that
/// collide. Entries are never taken out, only replaced.
struct NameTable {
    enum Result {
        /// The node, and the slot that holds it.
        case found(UInt32, slot: Int)
        case missing
    }

    private static let free = UInt32.max
    private var slots: [UInt32]
    private var used = 0

    /// - Parameter capacity: how many nodes fit before the table grows.
    init(capacity: Int) {
        var size = 64
        while size * 3 / 4 < capacity { size *= 2 }
        slots = [UInt32](repeating: Self.free, count: size)
    }

    static func hash(_ parent: UInt32, _ name: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(parent)
        hasher.combine(bytes: name)
        return hasher.finalize()
    }

    /// Looks for the node that `matches`.
    func find(hash: Int, _ matches: (UInt32) -> Bool) -> Result {
        var slot = hash & (slots.count - 1)
        while slots[slot] != Self.free {
            if matches(slots[slot]) { return .found(slots[slot], slot: slot) }
            slot = (slot + 1) & (slots.count - 1)
        }
        return .missing
    }

    mutating func replace(_ slot: Int, _ node: UInt32) { slots[slot] = node }

    /// Adds a node that is not there.
    /// - Parameter hashOf: the hash of any node in the table, for when it grows.
    mutating func insert(_ node: UInt32, hash: Int, hashOf: (UInt32) -> Int) {
        if used >= slots.count * 3 / 4 {
            let old = slots
            slots = [UInt32](repeating: Self.free, count: old.count * 2)
            for node in old where node != Self.free { place(node, hashOf(node)) }
        }
        place(node, hash)
        used += 1
    }

    private mutating func place(_ node: UInt32, _ hash: Int) {
        var slot = hash & (slots.count - 1)
        while slots[slot] != Self.free { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = node
    }
}
