/// Bytes in which numbers stand at offsets, in the processor's order.
struct Bytes {
    var bytes: [UInt8]

    init(count: Int) { bytes = [UInt8](repeating: 0, count: count) }

    mutating func set<Number: FixedWidthInteger>(_ offset: Int, _ value: Number) {
        for index in 0..<Number.bitWidth / 8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (Number(index) * 8))
        }
    }
}
