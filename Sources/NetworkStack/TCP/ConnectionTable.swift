import NetworkAddress

/// All connections, by id and by their ends. The place of one that is gone is used again, under another id.
struct ConnectionTable {
    private struct Slot {
        var generation: UInt32 = 0
        var connection: TCPConnection?
    }

    private var slots: [Slot] = []
    private var unused: [UInt32] = []
    private var flows: [TCPFlow: UInt32] = [:]

    /// How many there are, those that are drained included.
    var count: Int { slots.count - unused.count }

    var all: some Sequence<TCPConnection> { slots.lazy.compactMap(\.connection) }

    subscript(id: ConnectionID) -> TCPConnection? {
        guard id.index < slots.count, slots[Int(id.index)].generation == id.generation else { return nil }
        return slots[Int(id.index)].connection
    }

    subscript(index: UInt32) -> TCPConnection? { index < slots.count ? slots[Int(index)].connection : nil }

    subscript(flow: TCPFlow) -> TCPConnection? { flows[flow].flatMap { self[$0] } }

    /// An id for a connection that is about to be inserted.
    mutating func makeID() -> ConnectionID {
        let index = unused.popLast() ?? UInt32(truncatingIfNeeded: slots.count)
        if index == slots.count { slots.append(Slot()) }
        slots[Int(index)].generation &+= 1
        return ConnectionID(index: index, generation: slots[Int(index)].generation)
    }

    mutating func insert(_ connection: TCPConnection) {
        slots[Int(connection.id.index)].connection = connection
        flows[connection.flow] = connection.id.index
    }

    /// Makes its ends free for another connection; it stays known by id.
    mutating func removeFlow(of connection: TCPConnection) {
        if flows[connection.flow] == connection.id.index { flows[connection.flow] = nil }
    }

    mutating func remove(_ connection: TCPConnection) {
        removeFlow(of: connection)
        slots[Int(connection.id.index)].connection = nil
        unused.append(connection.id.index)
    }
}
