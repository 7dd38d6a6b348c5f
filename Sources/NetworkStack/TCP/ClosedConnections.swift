/// Connections that are closed and may still hear segments of their past (TIME-WAIT, RFC 9293 section 3.3.2), so few
/// bytes each that thousands are nothing. The oldest makes room, and all live equally long.
struct ClosedConnections {
    struct Entry {
        /// What the last acknowledgement said.
        var sequence: SequenceNumber
        var acknowledgement: SequenceNumber
        /// The guest's last timestamp and what is added to ours; `nil` without timestamps.
        var timestamps: (recent: UInt32, offset: UInt32)?
        var deadline: Instant
        fileprivate var serial: UInt64
    }

    private let limit: Int
    private var entries: [TCPFlow: Entry] = [:]
    /// In the order of their deadlines; some may be gone by now.
    private var order: [(flow: TCPFlow, serial: UInt64)] = []
    private var first = 0
    private var serial: UInt64 = 0

    init(limit: Int) { self.limit = limit }

    var count: Int { entries.count }

    /// When the oldest is forgotten.
    var deadline: Instant? {
        guard !entries.isEmpty else { return nil }
        var index = first
        while index < order.count {
            if let entry = entries[order[index].flow], entry.serial == order[index].serial { return entry.deadline }
            index += 1
        }
        return nil
    }

    subscript(_ flow: TCPFlow) -> Entry? { entries[flow] }

    mutating func insert(
        _ flow: TCPFlow, sequence: SequenceNumber, acknowledgement: SequenceNumber,
        timestamps: (recent: UInt32, offset: UInt32)?, until deadline: Instant
    ) {
        guard limit > 0 else { return }
        serial += 1
        entries[flow] = Entry(
            sequence: sequence, acknowledgement: acknowledgement, timestamps: timestamps, deadline: deadline,
            serial: serial)
        order.append((flow, serial))
        while entries.count > limit { dropFirst() }
        trim()
    }

    mutating func remove(_ flow: TCPFlow) {
        entries[flow] = nil
        trim()
    }

    mutating func expire(_ now: Instant) {
        while let deadline, deadline <= now { dropFirst() }
    }

    private mutating func dropFirst() {
        guard first < order.count else { return }
        let (flow, serial) = order[first]
        if entries[flow]?.serial == serial { entries[flow] = nil }
        first += 1
        trim()
    }

    /// Drops what is gone from the front of the order, and the memory of it from time to time.
    private mutating func trim() {
        while first < order.count, entries[order[first].flow]?.serial != order[first].serial { first += 1 }
        if first > 1024, first * 2 > order.count {
            order.removeFirst(first)
            first = 0
        }
        // Flows that come and go again and again leave their places in the middle.
        if order.count > 4 * limit + 1024 {
            order = order[first...].filter { entries[$0.flow]?.serial == $0.serial }
            first = 0
        }
    }
}
