import AgentProtocol

/// A point in time as the file system keeps it.
public struct FileTime: Hashable, Sendable {
    /// Seconds since 1970-01-01 00:00 UTC; may be negative.
    public var seconds: Int64
    /// 0...999,999,999, counted forward from ``seconds``.
    public var nanoseconds: UInt32

    /// Makes a time; `nanoseconds` beyond a second are cut to the last of it.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = min(nanoseconds, 999_999_999)
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        seconds = Int64(bitPattern: try reader.unsigned64())
        nanoseconds = try reader.unsigned32()
        guard nanoseconds < 1_000_000_000 else { throw .badField("nanoseconds") }
    }

    func encode(into writer: inout ByteWriter) {
        writer.unsigned64(UInt64(bitPattern: seconds))
        writer.unsigned32(nanoseconds)
    }
}

/// What stat(2) says of a file.
public struct FileStatus: Hashable, Sendable {
    /// The kinds of file. The values are the wire's.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case file = 1
        case directory = 2
        case symbolicLink = 3
        case fifo = 4
        case socket = 5
        case characterDevice = 6
        case blockDevice = 7
    }

    /// What it is.
    public var kind: Kind
    /// Permission bits with set-user-id, set-group-id and sticky: 0...0o7777.
    public var mode: UInt16
    /// Numeric owner.
    public var owner: UInt32
    /// Numeric group.
    public var group: UInt32
    /// Length in bytes; of a symbolic link that of its target.
    public var size: UInt64
    /// Disk space taken, in bytes.
    public var allocated: UInt64
    /// Names the file has.
    public var links: UInt64
    /// The file's number, unique on its device.
    public var inode: UInt64
    /// The number of the device that the file is on.
    public var device: UInt64
    /// Major and minor number of a device file; 0 otherwise.
    public var deviceNumber: (major: UInt32, minor: UInt32) { (major, minor) }
    private var major: UInt32
    private var minor: UInt32
    /// Last read, as far as the file system notes it.
    public var accessed: FileTime
    /// Last change of the content.
    public var modified: FileTime
    /// Last change of content or attributes.
    public var changed: FileTime

    /// Makes a status.
    public init(
        kind: Kind, mode: UInt16, owner: UInt32 = 0, group: UInt32 = 0, size: UInt64 = 0, allocated: UInt64 = 0,
        links: UInt64 = 1, inode: UInt64 = 0, device: UInt64 = 0, deviceNumber: (major: UInt32, minor: UInt32) = (0, 0),
        accessed: FileTime = FileTime(seconds: 0), modified: FileTime = FileTime(seconds: 0),
        changed: FileTime = FileTime(seconds: 0)
    ) {
        self.kind = kind
        self.mode = mode & 0o7777
        self.owner = owner
        self.group = group
        self.size = size
        self.allocated = allocated
        self.links = links
        self.inode = inode
        self.device = device
        major = deviceNumber.major
        minor = deviceNumber.minor
        self.accessed = accessed
        self.modified = modified
        self.changed = changed
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        guard let kind = Kind(rawValue: try reader.unsigned8()) else { throw .badField("kind of file") }
        self.kind = kind
        mode = try reader.unsigned16()
        guard mode <= 0o7777 else { throw .badField("mode") }
        owner = try reader.unsigned32()
        group = try reader.unsigned32()
        size = try reader.unsigned64()
        allocated = try reader.unsigned64()
        links = try reader.unsigned64()
        inode = try reader.unsigned64()
        device = try reader.unsigned64()
        major = try reader.unsigned32()
        minor = try reader.unsigned32()
        accessed = try FileTime(from: &reader)
        modified = try FileTime(from: &reader)
        changed = try FileTime(from: &reader)
    }

    func encode(into writer: inout ByteWriter) {
        writer.unsigned8(kind.rawValue)
        writer.unsigned16(mode)
        writer.unsigned32(owner)
        writer.unsigned32(group)
        for value in [size, allocated, links, inode, device] { writer.unsigned64(value) }
        writer.unsigned32(major)
        writer.unsigned32(minor)
        for time in [accessed, modified, changed] { time.encode(into: &writer) }
    }
}

/// One name in a directory, and what it names (a symbolic link itself, not what it leads to).
public struct DirectoryEntry: Hashable, Sendable {
    /// 1...255 bytes without slash and NUL; neither `.` nor `..`. Not necessarily UTF-8.
    public var name: [UInt8]
    /// What is there.
    public var status: FileStatus

    /// Makes an entry.
    public init(name: [UInt8], status: FileStatus) {
        self.name = name
        self.status = status
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        name = try reader.data()
        // The guest is not trusted: a name that could be a path would lead whoever joins it to a path elsewhere.
        guard (1...255).contains(name.count), !name.contains(0), !name.contains(UInt8(ascii: "/")),
            name != Array(".".utf8), name != Array("..".utf8)
        else { throw .badField("name") }
        status = try FileStatus(from: &reader)
    }

    func encode(into writer: inout ByteWriter) {
        writer.data(name)
        status.encode(into: &writer)
    }
}

/// What statvfs(2) says of a file system.
public struct FileSystemStatus: Hashable, Sendable {
    /// Size in bytes.
    public var size: UInt64
    /// Bytes not in use.
    public var free: UInt64
    /// Bytes that an unprivileged user can still use.
    public var available: UInt64
    /// Files that the file system can hold; 0 when it has no such bound.
    public var files: UInt64
    /// Files that can still be made.
    public var freeFiles: UInt64
    /// Whether it is mounted read-only.
    public var isReadOnly: Bool

    /// Makes a status.
    public init(
        size: UInt64, free: UInt64, available: UInt64, files: UInt64, freeFiles: UInt64, isReadOnly: Bool
    ) {
        self.size = size
        self.free = free
        self.available = available
        self.files = files
        self.freeFiles = freeFiles
        self.isReadOnly = isReadOnly
    }

    init(from reader: inout ByteReader) throws(ProtocolError) {
        size = try reader.unsigned64()
        free = try reader.unsigned64()
        available = try reader.unsigned64()
        files = try reader.unsigned64()
        freeFiles = try reader.unsigned64()
        isReadOnly = try reader.boolean()
    }

    func encode(into writer: inout ByteWriter) {
        for value in [size, free, available, files, freeFiles] { writer.unsigned64(value) }
        writer.boolean(isReadOnly)
    }
}
