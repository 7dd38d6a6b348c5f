/// The extended attributes of an entry, as archives carry them and EROFS can store them.
struct ExtendedAttributes {
    /// What EROFS calls the name's prefix (`EROFS_XATTR_INDEX_…`).
    enum Namespace: UInt8 {
        case user = 1
        case accessACL = 2
        case defaultACL = 3
        case trusted = 4
        case security = 6

        /// The part of the name that the namespace stands for.
        var prefix: StaticString {
            switch self {
            case .user: "user."
            case .accessACL: "system.posix_acl_access"
            case .defaultACL: "system.posix_acl_default"
            case .trusted: "trusted."
            case .security: "security."
            }
        }
    }

    struct Attribute: Equatable {
        var namespace: UInt8
        /// The name after the namespace's prefix.
        var name: [UInt8]
        var value: [UInt8]
    }

    /// Attributes one entry may have.
    static let maximumCount = 512
    /// Longest whole name (XATTR_NAME_MAX of Linux).
    static let maximumNameLength = 255
    /// Longest value: EROFS counts it in 16 bits.
    static let maximumValueLength = 65_535

    /// Longest encoding of all: EROFS gives an inode 262,140 bytes for them.
    static let maximumTotalLength = 250_000

    private(set) var attributes: [Attribute] = []
    private var totalLength = 0

    var isEmpty: Bool { attributes.isEmpty }

    /// Sets an attribute. Names that Linux has no place for on a local file system (`system.nfs4_acl`, those of other
    /// systems) are left out, as umoci leaves them out.
    mutating func set(_ fullName: [UInt8], _ value: [UInt8]) throws(DiskImageError) {
        guard fullName.count <= Self.maximumNameLength, !fullName.contains(0) else {
            throw .entry(fullName, "no name for an extended attribute")
        }
        guard value.count <= Self.maximumValueLength else {
            throw .entry(fullName, "an extended attribute is longer than \(Self.maximumValueLength) bytes")
        }
        guard let (namespace, name) = Self.split(fullName) else { return }
        if namespace == .accessACL || namespace == .defaultACL {
            // An ill-formed list would make the kernel refuse every access to the file.
            guard Self.isAccessControlList(value) else { throw .entry(fullName, "no valid POSIX ACL") }
        }
        let attribute = Attribute(namespace: namespace.rawValue, name: name, value: value)
        totalLength += fullName.count + value.count
        guard totalLength <= Self.maximumTotalLength else {
            throw .limit("the extended attributes of an entry take more than \(Self.maximumTotalLength) bytes")
        }
        if let index = attributes.firstIndex(where: { $0.namespace == attribute.namespace && $0.name == name }) {
            attributes[index] = attribute
            return
        }
        guard attributes.count < Self.maximumCount else {
            throw .limit("an entry has more than \(Self.maximumCount) extended attributes")
        }
        attributes.append(attribute)
    }

    private static func split(_ name: [UInt8]) -> (Namespace, [UInt8])? {
        for namespace in [Namespace.user, .trusted, .security, .accessACL, .defaultACL] {
            let matches = namespace.prefix.withUTF8Buffer { name.starts(with: $0) }
            guard matches else { continue }
            let rest = Array(name.dropFirst(namespace.prefix.utf8CodeUnitCount))
            let wantsRest = namespace != .accessACL && namespace != .defaultACL
            if rest.isEmpty != wantsRest { return (namespace, rest) }
        }
        return nil
    }

    /// Whether the value is a list as `posix_acl_xattr.h` of Linux lays it out.
    private static func isAccessControlList(_ value: [UInt8]) -> Bool {
        guard value.count >= 4, (value.count - 4) % 8 == 0, value.starts(with: [2, 0, 0, 0]) else { return false }
        let tags: Set<UInt16> = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20]
        for index in stride(from: 4, to: value.count, by: 8) {
            let tag = UInt16(value[index]) | UInt16(value[index + 1]) << 8
            guard tags.contains(tag), value[index + 2] <= 7, value[index + 3] == 0 else { return false }
        }
        return true
    }

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

    init() {}
}
