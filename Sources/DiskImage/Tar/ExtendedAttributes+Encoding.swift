import Tar

/// The form in which a layer's index keeps them.
extension ExtendedAttributes {
    /// The attributes in one canonical form: for each its namespace, name length, value length (16 bits, little
    /// endian), name, value; in order of namespace and name.
    func encoded() -> [UInt8] {
        let sorted = attributes.sorted {
            $0.namespace == $1.namespace ? $0.name.lexicographicallyPrecedes($1.name) : $0.namespace < $1.namespace
        }
        var bytes: [UInt8] = []
        for attribute in sorted {
            bytes.append(attribute.namespace)
            bytes.append(UInt8(attribute.name.count))
            bytes.append(UInt8(attribute.value.count & 255))
            bytes.append(UInt8(attribute.value.count >> 8))
            bytes += attribute.name
            bytes += attribute.value
        }
        return bytes
    }

    /// Reads what ``encoded()`` made; `nil` for anything else.
    init?(decoding bytes: ArraySlice<UInt8>) {
        self.init()
        var rest = bytes
        while !rest.isEmpty {
            guard rest.count >= 4 else { return nil }
            let header = Array(rest.prefix(4))
            let valueLength = Int(header[2]) | Int(header[3]) << 8
            rest = rest.dropFirst(4)
            guard rest.count >= Int(header[1]) + valueLength, let namespace = Namespace(rawValue: header[0]) else {
                return nil
            }
            let name = namespace.prefix.withUTF8Buffer { Array($0) } + rest.prefix(Int(header[1]))
            rest = rest.dropFirst(Int(header[1]))
            let count = attributes.count
            do { try set(name, Array(rest.prefix(valueLength))) } catch { return nil }
            rest = rest.dropFirst(valueLength)
            guard attributes.count == count + 1 else { return nil }
        }
    }
}
