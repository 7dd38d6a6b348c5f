/// One entry of a tar archive as a value, whatever format said it.
public struct TarEntry: Equatable, Sendable {
    /// What an entry is.
    public enum Kind: Equatable, Sendable {
        case file
        case directory
        /// The target is any text.
        case symbolicLink(target: [UInt8])
        /// The target is the name of an earlier entry.
        case hardLink(target: [UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
    }

    /// The name as the archive has it: not cleaned, and not safe to use.
    public var name: [UInt8]
    /// What it is.
    public var kind: Kind
    /// Permission bits with set-user-id, set-group-id and sticky: 0...0o7777.
    public var mode: UInt16
    /// Numeric owner, below 2³²−1.
    public var owner: UInt32
    /// Numeric group, below 2³²−1.
    public var group: UInt32
    /// Time of the last change: seconds since 1970, and nanoseconds counted forward from there.
    public var modified: (seconds: Int64, nanoseconds: UInt32) {
        get { (seconds, nanoseconds) }
        set { (seconds, nanoseconds) = (newValue.seconds, min(newValue.nanoseconds, 999_999_999)) }
    }
    private var seconds: Int64
    private var nanoseconds: UInt32
    /// Length of a file in bytes, holes included; 0 for all else.
    public var size: Int64
    /// Extended attributes: whole names and values.
    public var attributes: [Attribute]

    /// An extended attribute.
    public struct Attribute: Equatable, Sendable {
        /// The whole name, for example `user.note`.
        public var name: [UInt8]
        /// Any bytes.
        public var value: [UInt8]

        /// Makes an attribute.
        public init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// Makes an entry.
    public init(
        name: [UInt8], kind: Kind, mode: UInt16, owner: UInt32 = 0, group: UInt32 = 0,
        modified: (seconds: Int64, nanoseconds: UInt32) = (0, 0), size: Int64 = 0, attributes: [Attribute] = []
    ) {
        self.name = name
        self.kind = kind
        self.mode = mode & 0o7777
        self.owner = owner
        self.group = group
        seconds = modified.seconds
        nanoseconds = min(modified.nanoseconds, 999_999_999)
        self.size = size
        self.attributes = attributes
    }
}
