import Tar

/// The sets of extended attributes of an image, each kept once.
struct ImageAttributes {
    private(set) var sets: [[UInt8]] = []
    private var numbers: [[UInt8]: UInt32] = [:]

    /// The number of a set, given as ``ExtendedAttributes/encoded()`` made it.
    mutating func number(of encoded: [UInt8]) throws(DiskImageError) -> UInt32 {
        if let known = numbers[encoded] { return known }
        let number = UInt32(sets.count)
        sets.append(encoded)
        numbers[encoded] = number
        return number
    }
}
