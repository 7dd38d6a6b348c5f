import AgentProtocol

/// A path in the sandbox: bytes without NUL, at most ``maximumLength`` of them, relative to the sandbox's root whether
/// or not it begins with a slash.
///
/// Linux does not ask names to be UTF-8, so neither does this. A value of this type is well formed and says nothing
/// about what is there; it is resolved in the guest, below the sandbox's root, whatever links it meets.
public struct GuestPath: Hashable, Sendable {
    /// The longest path, in bytes (`PATH_MAX` of Linux without its NUL).
    public static let maximumLength = 4095

    /// The path as it is given to the kernel.
    public let bytes: [UInt8]

    /// Takes the bytes of a path; `nil` when they are empty, too long, or hold a NUL.
    public init?(bytes: some Collection<UInt8>) {
        guard !bytes.isEmpty, bytes.count <= Self.maximumLength, !bytes.contains(0) else { return nil }
        self.bytes = Array(bytes)
    }

    /// Takes a path as text; `nil` when it is empty, too long, or holds a NUL.
    public init?(_ text: String) { self.init(bytes: Array(text.utf8)) }

    /// The sandbox's root.
    public static let root = GuestPath(checked: [UInt8(ascii: "/")])

    private init(checked bytes: [UInt8]) { self.bytes = bytes }

    /// The path of `name` in the directory that this path means; `nil` when it becomes too long or `name` is no name.
    public func appending(_ name: some Collection<UInt8>) -> GuestPath? {
        guard !name.isEmpty, !name.contains(UInt8(ascii: "/")) else { return nil }
        let separator = bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]
        return GuestPath(bytes: bytes + separator + name)
    }
}

extension GuestPath: CustomStringConvertible {
    /// The path as text, with what is not UTF-8 replaced. Foreign: shorten and clean it before it is shown.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension ByteReader {
    /// Reads a path with its length before it.
    mutating func path() throws(ProtocolError) -> GuestPath {
        guard let path = GuestPath(bytes: try data()) else { throw .badField("path") }
        return path
    }
}

extension ByteWriter {
    /// Writes a path with its length before it.
    mutating func path(_ path: GuestPath) { data(path.bytes) }
}
