import AgentProtocol

/// How a file is written.
public struct WriteOptions: Hashable, Sendable {
    /// What becomes of a file that is there. The values are the wire's.
    public enum Disposition: UInt8, Sendable, CaseIterable {
        /// The new content takes the place of the old in one step, when it is complete; whoever reads meanwhile sees
        /// the old content or the new. A new file beside the old one is renamed over it.
        case replaceAtomically = 1
        /// The file keeps its identity; its old content is gone when writing begins.
        case truncate = 2
        /// The file keeps its identity and what is not written over.
        case keep = 3
        /// It is an error that there is one; links are not followed.
        case mustNotExist = 4
    }

    /// What becomes of a file that is there.
    public var disposition: Disposition
    /// Permission bits of a new file, 0...0o7777, whatever the umask; a file that was there keeps its own.
    public var mode: UInt16
    /// Where the first byte goes; only of use with ``Disposition/keep``.
    public var offset: UInt64
    /// Whether content and name are on the disk before the end is told.
    public var synchronizes: Bool

    /// Makes options.
    public init(
        _ disposition: Disposition = .replaceAtomically, mode: UInt16 = 0o644, offset: UInt64 = 0,
        synchronizes: Bool = false
    ) {
        self.disposition = disposition
        self.mode = mode & 0o7777
        self.offset = offset
        self.synchronizes = synchronizes
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        guard let disposition = Disposition(rawValue: try reader.unsigned8()) else { throw .badField("disposition") }
        self.disposition = disposition
        mode = try reader.mode()
        offset = try reader.unsigned64()
        guard offset <= UInt64(Int64.max) else { throw .badField("offset") }
        synchronizes = try reader.boolean()
    }

    func encode(into writer: inout ByteWriter) {
        writer.unsigned8(disposition.rawValue)
        writer.unsigned16(mode)
        writer.unsigned64(offset)
        writer.boolean(synchronizes)
    }
}

/// How an archive is unpacked in the sandbox.
public struct ExtractOptions: Hashable, Sendable {
    /// Whether files get the owners that the archive names; otherwise they belong to whom the server runs as.
    public var keepsOwners: Bool
    /// Whether the archive's entry for the root itself (`.`) sets mode, owner and times of the target directory.
    public var changesRoot: Bool

    /// Makes options.
    public init(keepsOwners: Bool = true, changesRoot: Bool = false) {
        self.keepsOwners = keepsOwners
        self.changesRoot = changesRoot
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        keepsOwners = try reader.boolean()
        changesRoot = try reader.boolean()
    }

    func encode(into writer: inout ByteWriter) {
        writer.boolean(keepsOwners)
        writer.boolean(changesRoot)
    }
}

/// What setting an extended attribute does when there is one, or none. The values are the wire's.
public enum AttributePolicy: UInt8, Sendable, CaseIterable {
    /// It is set.
    case any = 0
    /// It must be new.
    case create = 1
    /// It must be there.
    case replace = 2
}

extension ByteReader {
    /// Reads permission bits.
    mutating func mode() throws(ProtocolError) -> UInt16 {
        let mode = try unsigned16()
        guard mode <= 0o7777 else { throw .badField("mode") }
        return mode
    }

    /// Reads a name of 1 to 255 bytes without NUL.
    mutating func name() throws(ProtocolError) -> [UInt8] {
        let name = try data()
        guard (1...255).contains(name.count), !name.contains(0) else { throw .badField("name") }
        return name
    }

    /// Reads a value that may be absent.
    mutating func optional<Value>(
        _ value: (inout ByteReader) throws(ProtocolError) -> Value
    ) throws(ProtocolError) -> Value? {
        try boolean() ? try value(&self) : nil
    }
}

extension ByteWriter {
    /// Writes a value that may be absent.
    mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
        boolean(value != nil)
        if let value { write(&self, value) }
    }
}
