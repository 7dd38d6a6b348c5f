/// The extended attributes of an entry, as archives carry them and EROFS can store them.
public struct ExtendedAttributes: Sendable {
    /// What EROFS calls the name's prefix (`EROFS_XATTR_INDEX_…`).
    public enum Namespace: UInt8, Sendable {
        case user = 1
        case accessACL = 2
        case defaultACL = 3
        case trusted = 4
        case security = 6

        /// The part of the name that the namespace stands for.
        public var prefix: StaticString {
            switch self {
            case .user: "user."
            case .accessACL: "system.posix_acl_access"
            case .defaultACL: "system.posix_acl_default"
            case .trusted: "trusted."
            case .security: "security."
            }
        }
    }

    /// One attribute.
    public struct Attribute: Equatable, Sendable {
        /// The number of its ``Namespace``.
        public var namespace: UInt8
        /// The name after the namespace's prefix.
        public var name: [UInt8]
        /// Any bytes.
        public var value: [UInt8]
    }

    /// Attributes one entry may have.
    public static let maximumCount = 512
    /// Longest whole name (XATTR_NAME_MAX of Linux).
    public static let maximumNameLength = 255
    /// Longest value: EROFS counts it in 16 bits.
    public static let maximumValueLength = 65_535

    /// Longest encoding of all: EROFS gives an inode 262,140 bytes for them.
    public static let maximumTotalLength = 250_000

    /// In the order in which they were first set.
    public private(set) var attributes: [Attribute] = []
    private var totalLength = 0

    /// No attributes.
    public init() {}

    /// Whether there are none.
    public var isEmpty: Bool { attributes.isEmpty }

    /// Sets an attribute. Names that Linux has no place for on a local file system (`system.nfs4_acl`, those of other
    /// systems) are left out, as umoci leaves them out.
    public mutating func set(_ fullName: [UInt8], _ value: [UInt8]) throws(TarError) {
        guard fullName.count <= Self.maximumNameLength, !fullName.contains(0) else {
            throw TarError(entry: fullName, "no name for an extended attribute")
        }
        guard value.count <= Self.maximumValueLength else {
            throw TarError(entry: fullName, "an extended attribute is longer than \(Self.maximumValueLength) bytes")
        }
        guard let (namespace, name) = Self.split(fullName) else { return }
        if namespace == .accessACL || namespace == .defaultACL {
            // An ill-formed list would make the kernel refuse every access to the file.
            guard Self.isAccessControlList(value) else { throw TarError(entry: fullName, "no valid POSIX ACL") }
        }
        let attribute = Attribute(namespace: namespace.rawValue, name: name, value: value)
        totalLength += fullName.count + value.count
        guard totalLength <= Self.maximumTotalLength else {
            throw TarError(limit: "the extended attributes of an entry take more than \(Self.maximumTotalLength) bytes")
        }
        if let index = attributes.firstIndex(where: { $0.namespace == attribute.namespace && $0.name == name }) {
            attributes[index] = attribute
            return
        }
        guard attributes.count < Self.maximumCount else {
            throw TarError(limit: "an entry has more than \(Self.maximumCount) extended attributes")
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
}
