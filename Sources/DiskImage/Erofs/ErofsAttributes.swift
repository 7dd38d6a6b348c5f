import Tar

/// The extended attributes of an image as EROFS stores them: one that several inodes have stands once, in the shared
/// area; any other beside its inode.
struct ErofsAttributes {
    /// What stands beside an inode for each set: header, numbers of shared attributes, other attributes. Empty for sets
    /// of which nothing is left.
    private(set) var bodies: [[UInt8]] = []
    /// The shared area.
    private(set) var shared: [UInt8] = []

    private static let headerSize = 12
    private static let maximumShared = 255

    /// - Parameters:
    ///   - sets: as ``ExtendedAttributes/encoded()`` makes them.
    ///   - uses: how many inodes have each set.
    init(_ sets: [[UInt8]], uses: [UInt32]) throws(DiskImageError) {
        var numbers: [[UInt8]: Int] = [:]
        var entries: [(bytes: [UInt8], uses: UInt64)] = []
        var members: [[Int]] = []
        for (set, uses) in zip(sets, uses) {
            var numbersOfSet: [Int] = []
            guard uses > 0 else {
                members.append([])
                continue
            }
            guard let attributes = ExtendedAttributes(decoding: set[...]) else {
                throw .damagedIndex("an extended attribute is malformed")
            }
            for attribute in attributes.attributes {
                guard let entry = Self.entry(attribute) else { continue }
                let number = numbers[entry] ?? entries.count
                if number == entries.count {
                    numbers[entry] = number
                    entries.append((entry, 0))
                }
                entries[number].uses += UInt64(uses)
                numbersOfSet.append(number)
            }
            members.append(numbersOfSet)
        }
        var places: [UInt32?] = []
        for entry in entries {
            guard entry.uses > 1 else {
                places.append(nil)
                continue
            }
            places.append(UInt32(shared.count / 4))
            shared += entry.bytes
            guard shared.count <= 1 << 30 else { throw .limit("the extended attributes take more than 1 GiB") }
        }
        let contents = entries.map(\.bytes)
        for numbers in members { bodies.append(Self.body(numbers, contents, places)) }
    }

    /// How an inode counts its attributes (`i_xattr_icount`).
    static func count(_ body: [UInt8]) -> UInt16 {
        // A body is at most 250,000 bytes and some padding long, see ExtendedAttributes.maximumTotalLength.
        body.isEmpty ? 0 : UInt16((body.count - headerSize) / 4 + 1)
    }

    private static func body(_ numbers: [Int], _ entries: [[UInt8]], _ places: [UInt32?]) -> [UInt8] {
        if numbers.isEmpty { return [] }
        var ids: [UInt8] = []
        var inline: [UInt8] = []
        for number in numbers {
            if let place = places[number], ids.count < maximumShared * 4 {
                withUnsafeBytes(of: place.littleEndian) { ids.append(contentsOf: $0) }
            } else {
                inline += entries[number]
            }
        }
        return [0, 0, 0, 0, UInt8(ids.count / 4), 0, 0, 0, 0, 0, 0, 0] + ids + inline
    }

    /// An entry (`struct erofs_xattr_entry`), padded to four bytes.
    ///
    /// Attributes named `trusted.overlay.…` are orders to overlayfs when they come from us, but data when they come
    /// from a layer. Stored as `trusted.overlay.overlay.…` they are shown under their own name through an overlay and
    /// never obeyed (Linux 6.7, "Nesting overlayfs mounts"). A name that gets too long that way is left out.
    private static func entry(_ attribute: ExtendedAttributes.Attribute) -> [UInt8]? {
        var name = attribute.name
        if attribute.namespace == ExtendedAttributes.Namespace.trusted.rawValue, name.starts(with: "overlay.".utf8) {
            name = Array("overlay.".utf8) + name
            let prefix = ExtendedAttributes.Namespace.trusted.prefix.utf8CodeUnitCount
            if prefix + name.count > ExtendedAttributes.maximumNameLength { return nil }
        }
        var bytes = [
            UInt8(name.count), attribute.namespace, UInt8(attribute.value.count & 255),
            UInt8(attribute.value.count >> 8),
        ]
        bytes += name
        bytes += attribute.value
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }
}
