/// When which connection is to be looked at: a heap, so that the next is at hand and all changes are cheap.
struct TimerQueue {
    private struct Entry {
        var deadline: Instant
        var index: UInt32
    }

    private var entries: [Entry] = []
    /// Where each connection's entry is; -1 for none.
    private var places: [Int32] = []

    /// The next deadline.
    var next: Instant? { entries.first?.deadline }

    /// The connection whose deadline is next, if it has come.
    func due(at now: Instant) -> UInt32? {
        guard let first = entries.first, first.deadline <= now else { return nil }
        return first.index
    }

    /// Sets, moves or removes the deadline of a connection.
    mutating func set(_ deadline: Instant?, of index: UInt32) {
        while places.count <= Int(index) { places.append(-1) }
        let place = Int(places[Int(index)])
        guard let deadline else {
            if place >= 0 { remove(at: place) }
            return
        }
        if place < 0 {
            entries.append(Entry(deadline: deadline, index: index))
            places[Int(index)] = Int32(truncatingIfNeeded: entries.count - 1)
            rise(entries.count - 1)
        } else {
            entries[place].deadline = deadline
            rise(place)
            sink(Int(places[Int(index)]))
        }
    }

    private mutating func remove(at place: Int) {
        places[Int(entries[place].index)] = -1
        let last = entries.removeLast()
        guard place < entries.count else { return }
        entries[place] = last
        places[Int(last.index)] = Int32(truncatingIfNeeded: place)
        rise(place)
        sink(Int(places[Int(last.index)]))
    }

    private mutating func rise(_ place: Int) {
        var place = place
        while place > 0, entries[place].deadline < entries[(place - 1) / 2].deadline {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink(_ place: Int) {
        var place = place
        while true {
            var least = 2 * place + 1
            guard least < entries.count else { return }
            if least + 1 < entries.count, entries[least + 1].deadline < entries[least].deadline { least += 1 }
            guard entries[least].deadline < entries[place].deadline else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        entries.swapAt(one, other)
        places[Int(entries[one].index)] = Int32(truncatingIfNeeded: one)
        places[Int(entries[other].index)] = Int32(truncatingIfNeeded: other)
    }
}
