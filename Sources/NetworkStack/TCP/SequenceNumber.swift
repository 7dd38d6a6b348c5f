/// A sequence number of TCP, which wraps (RFC 9293 section 3.4). Those within half the circle ahead are greater; so it is
/// no `Comparable`, which would promise more.
struct SequenceNumber: Hashable {
    var value: UInt32

    init(_ value: UInt32) { self.value = value }

    /// The number `count` bytes on.
    static func + (number: Self, count: Int) -> Self { Self(number.value &+ UInt32(truncatingIfNeeded: count)) }
    static func += (number: inout Self, count: Int) { number = number + count }
    /// How many bytes lie between two, from -2^31 to 2^31 - 1.
    static func - (one: Self, other: Self) -> Int { Int(Int32(bitPattern: one.value &- other.value)) }
    static func < (one: Self, other: Self) -> Bool { one - other < 0 }
    static func > (one: Self, other: Self) -> Bool { one - other > 0 }
    static func <= (one: Self, other: Self) -> Bool { one - other <= 0 }
    static func >= (one: Self, other: Self) -> Bool { one - other >= 0 }
    /// The greater one.
    static func later(_ one: Self, _ other: Self) -> Self { one > other ? one : other }
}

/// Bytes of a stream, from one number up to another.
struct SequenceRange: Equatable {
    var start: SequenceNumber
    var end: SequenceNumber

    var count: Int { end - start }
}

/// Ranges of a stream in order, which neither overlap nor touch; bounded in number.
struct SequenceRanges {
    private(set) var ranges: [SequenceRange] = []
    static let limit = 64

    var isEmpty: Bool { ranges.isEmpty }
    var first: SequenceRange? { ranges.first }
    var last: SequenceRange? { ranges.last }
    /// Bytes in all of them.
    var byteCount: Int { ranges.reduce(0) { $0 + $1.count } }

    /// Adds a range, joined with those it touches. Whether there was room.
    mutating func insert(_ range: SequenceRange) -> Bool {
        guard range.count > 0 else { return true }
        var joined = range
        var index = 0
        while index < ranges.count, ranges[index].end < range.start { index += 1 }
        var end = index
        while end < ranges.count, ranges[end].start <= joined.end {
            if ranges[end].start < joined.start { joined.start = ranges[end].start }
            joined.end = SequenceNumber.later(joined.end, ranges[end].end)
            end += 1
        }
        guard end > index || ranges.count < Self.limit else { return false }
        ranges.replaceSubrange(index..<end, with: CollectionOfOne(joined))
        return true
    }

    /// Removes what lies before a number.
    mutating func removeAll(before number: SequenceNumber) {
        while let first = ranges.first, first.end <= number { ranges.removeFirst() }
        if let first = ranges.first, first.start < number { ranges[0].start = number }
    }

    mutating func removeAll() { if !ranges.isEmpty { ranges = [] } }

    /// The range that a number lies in.
    func range(containing number: SequenceNumber) -> SequenceRange? {
        ranges.first { $0.start <= number && number < $0.end }
    }

    /// What lies between the ranges, from `number` on: the first such gap that ends at one of them.
    func gap(from number: SequenceNumber) -> SequenceRange? {
        var start = number
        for range in ranges where range.end > start {
            if range.start > start { return SequenceRange(start: start, end: range.start) }
            start = range.end
        }
        return nil
    }
}
