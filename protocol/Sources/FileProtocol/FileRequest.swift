import AgentProtocol

/// What a client asks of the file server of a sandbox.
///
/// Each request has one response. They may be sent without waiting; they are carried out and answered in order, but for
/// ``nextEvents(_:)``, which waits for something to happen and lets others pass. What takes many steps (a file's content,
/// a directory's names, an archive, a watch) is opened under the number of the request that opens it, its *handle*, and
/// then read or written piece by piece, so that the client says how fast it comes and can stop at any time.
///
/// Where a request has `followsLinks`, that is about the last name of the path; links before it are always followed,
/// within the sandbox's root.
public enum FileRequest: Equatable, Sendable {
    /// The number under which something is open: that of the request that opened it.
    public typealias Handle = UInt32

    /// Answered with ``FileResponse/status(_:)``.
    case status(GuestPath, followsLinks: Bool)
    /// Answered with ``FileResponse/fileSystem(_:)``.
    case fileSystem(GuestPath)

    /// Opens a directory; its names are fetched with ``nextEntries(_:)``.
    case openDirectory(GuestPath)
    /// Answered with ``FileResponse/entries(_:)``; none means the end.
    case nextEntries(Handle)
    /// Opens a regular file from an offset, for at most so many bytes; they are fetched with ``nextBytes(_:_:)``.
    /// Answered with ``FileResponse/status(_:)``.
    case openFile(GuestPath, offset: UInt64, length: UInt64)
    /// Opens a tree as a tar archive in which the file or directory itself is called `name` (`.` is usual for a
    /// directory); it is fetched with ``nextBytes(_:_:)``. Answered with ``FileResponse/status(_:)``.
    case openArchive(GuestPath, name: [UInt8], followsLinks: Bool)
    /// At most so many bytes, answered with ``FileResponse/bytes(_:)``; none means the end.
    case nextBytes(Handle, UInt32)

    /// Opens a file for writing; its content is sent with ``write(_:_:)`` and completed with ``finish(_:)``.
    case createFile(GuestPath, WriteOptions)
    /// Opens a directory for a tar archive to be unpacked in.
    case extractArchive(GuestPath, ExtractOptions)
    /// The next bytes of a file or an archive.
    case write(Handle, [UInt8])
    /// Completes what was written and closes it.
    case finish(Handle)
    /// Closes whatever is open under the handle; a file that was to be replaced in one step stays as it was.
    case close(Handle)

    /// Makes a directory; with `parents` also those above it, and one that is there is no error.
    case makeDirectory(GuestPath, mode: UInt16, parents: Bool)
    /// Renames; across file systems by a copy. With `replaces`, a file or empty directory that has the new name goes.
    case move(GuestPath, to: GuestPath, replaces: Bool)
    /// Copies a file or tree with modes, owners, times, extended attributes, holes and hard links. Links are copied as
    /// links. The new name must be free, except that with `replaces` a file takes a file's place.
    case copy(GuestPath, to: GuestPath, replaces: Bool)
    /// Removes a file, an empty directory, or with `recursive` a tree. Links are removed, never followed.
    case remove(GuestPath, recursive: Bool)
    /// Cuts or extends a regular file.
    case truncate(GuestPath, length: UInt64)
    /// Gives an existing file another name.
    case link(GuestPath, newPath: GuestPath)
    /// Makes a symbolic link to `target`, which is any text of 1...4095 bytes.
    case symbolicLink(target: [UInt8], GuestPath)
    /// The target of a symbolic link, answered with ``FileResponse/bytes(_:)``.
    case readLink(GuestPath)

    /// Sets the permission bits, 0...0o7777. Links have none of their own.
    case setMode(GuestPath, UInt16)
    /// Sets owner and group: names of the image's users and groups, or decimal numbers; empty leaves it unchanged.
    case setOwner(GuestPath, owner: String, group: String, followsLinks: Bool)
    /// Sets the times of access and modification; `nil` leaves one unchanged.
    case setTimes(GuestPath, accessed: FileTime?, modified: FileTime?, followsLinks: Bool)

    /// The value of an extended attribute, answered with ``FileResponse/bytes(_:)``.
    case attribute(GuestPath, name: [UInt8], followsLinks: Bool)
    /// The names of all extended attributes, answered with ``FileResponse/names(_:)``.
    case attributeNames(GuestPath, followsLinks: Bool)
    /// Sets an extended attribute.
    case setAttribute(GuestPath, name: [UInt8], value: [UInt8], AttributePolicy, followsLinks: Bool)
    /// Removes an extended attribute.
    case removeAttribute(GuestPath, name: [UInt8], followsLinks: Bool)

    /// Opens a watch of a file, of a directory and the names in it, or with `recursive` of all below it. Events are
    /// fetched with ``nextEvents(_:)``; they are kept from the response on.
    case watch(GuestPath, recursive: Bool)
    /// Answered with ``FileResponse/events(_:)`` as soon as there is one.
    case nextEvents(Handle)
}

extension FileRequest {
    /// Reads the request that a frame carries.
    /// - Throws: ``ProtocolError`` when it is not one, or a field is malformed.
    public init(_ payload: [UInt8]) throws(ProtocolError) {
        var reader = ByteReader(payload)
        let kind = try reader.unsigned8()
        switch kind {
        case 1: self = .status(try reader.path(), followsLinks: try reader.boolean())
        case 2: self = .fileSystem(try reader.path())
        case 3: self = .openDirectory(try reader.path())
        case 4: self = .nextEntries(try reader.unsigned32())
        case 5:
            self = .openFile(
                try reader.path(), offset: try reader.unsigned64(), length: try reader.unsigned64())
        case 6:
            self = .openArchive(try reader.path(), name: try reader.name(), followsLinks: try reader.boolean())
        case 7: self = .nextBytes(try reader.unsigned32(), try reader.unsigned32())
        case 8: self = .createFile(try reader.path(), try WriteOptions(from: &reader))
        case 9: self = .extractArchive(try reader.path(), try ExtractOptions(from: &reader))
        case 10: self = .write(try reader.unsigned32(), try reader.data())
        case 11: self = .finish(try reader.unsigned32())
        case 12: self = .close(try reader.unsigned32())
        case 13: self = .makeDirectory(try reader.path(), mode: try reader.mode(), parents: try reader.boolean())
        case 14: self = .move(try reader.path(), to: try reader.path(), replaces: try reader.boolean())
        case 15: self = .copy(try reader.path(), to: try reader.path(), replaces: try reader.boolean())
        case 16: self = .remove(try reader.path(), recursive: try reader.boolean())
        case 17: self = .truncate(try reader.path(), length: try reader.unsigned64())
        case 18: self = .link(try reader.path(), newPath: try reader.path())
        case 19: self = .symbolicLink(target: try reader.path().bytes, try reader.path())
        case 20: self = .readLink(try reader.path())
        case 21: self = .setMode(try reader.path(), try reader.mode())
        case 22:
            self = .setOwner(
                try reader.path(), owner: try reader.string(), group: try reader.string(),
                followsLinks: try reader.boolean())
        case 23:
            self = .setTimes(
                try reader.path(),
                accessed: try reader.optional { reader throws(ProtocolError) in try FileTime(from: &reader) },
                modified: try reader.optional { reader throws(ProtocolError) in try FileTime(from: &reader) },
                followsLinks: try reader.boolean())
        case 24: self = .attribute(try reader.path(), name: try reader.name(), followsLinks: try reader.boolean())
        case 25: self = .attributeNames(try reader.path(), followsLinks: try reader.boolean())
        case 26:
            let (path, name, value) = (try reader.path(), try reader.name(), try reader.data())
            guard let policy = AttributePolicy(rawValue: try reader.unsigned8()) else { throw .badField("policy") }
            self = .setAttribute(path, name: name, value: value, policy, followsLinks: try reader.boolean())
        case 27:
            self = .removeAttribute(try reader.path(), name: try reader.name(), followsLinks: try reader.boolean())
        case 28: self = .watch(try reader.path(), recursive: try reader.boolean())
        case 29: self = .nextEvents(try reader.unsigned32())
        default: throw .badField("request")
        }
        try reader.finish()
    }

    /// The payload of the frame that carries this request.
    public var payload: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .status(let path, let follows): writer.request(1, path, follows)
        case .fileSystem(let path): writer.request(2, path)
        case .openDirectory(let path): writer.request(3, path)
        case .nextEntries(let handle): writer.request(4, handle)
        case .openFile(let path, let offset, let length):
            writer.request(5, path)
            writer.unsigned64(offset)
            writer.unsigned64(length)
        case .openArchive(let path, let name, let follows):
            writer.request(6, path)
            writer.data(name)
            writer.boolean(follows)
        case .nextBytes(let handle, let count):
            writer.request(7, handle)
            writer.unsigned32(count)
        case .createFile(let path, let options):
            writer.request(8, path)
            options.encode(into: &writer)
        case .extractArchive(let path, let options):
            writer.request(9, path)
            options.encode(into: &writer)
        case .write(let handle, let bytes):
            writer.request(10, handle)
            writer.data(bytes)
        case .finish(let handle): writer.request(11, handle)
        case .close(let handle): writer.request(12, handle)
        case .makeDirectory(let path, let mode, let parents):
            writer.request(13, path)
            writer.unsigned16(mode)
            writer.boolean(parents)
        case .move(let path, let newPath, let replaces): writer.request(14, path, newPath, replaces)
        case .copy(let path, let newPath, let replaces): writer.request(15, path, newPath, replaces)
        case .remove(let path, let recursive): writer.request(16, path, recursive)
        case .truncate(let path, let length):
            writer.request(17, path)
            writer.unsigned64(length)
        case .link(let path, let newPath):
            writer.request(18, path)
            writer.path(newPath)
        case .symbolicLink(let target, let path):
            writer.unsigned8(19)
            writer.data(target)
            writer.path(path)
        case .readLink(let path): writer.request(20, path)
        case .setMode(let path, let mode):
            writer.request(21, path)
            writer.unsigned16(mode)
        case .setOwner(let path, let owner, let group, let follows):
            writer.request(22, path)
            writer.string(owner)
            writer.string(group)
            writer.boolean(follows)
        case .setTimes(let path, let accessed, let modified, let follows):
            writer.request(23, path)
            for time in [accessed, modified] { writer.optional(time) { writer, time in time.encode(into: &writer) } }
            writer.boolean(follows)
        case .attribute(let path, let name, let follows): writer.attribute(24, path, name, follows)
        case .attributeNames(let path, let follows): writer.request(25, path, follows)
        case .setAttribute(let path, let name, let value, let policy, let follows):
            writer.request(26, path)
            writer.data(name)
            writer.data(value)
            writer.unsigned8(policy.rawValue)
            writer.boolean(follows)
        case .removeAttribute(let path, let name, let follows): writer.attribute(27, path, name, follows)
        case .watch(let path, let recursive): writer.request(28, path, recursive)
        case .nextEvents(let handle): writer.request(29, handle)
        }
        return writer.bytes
    }
}

extension ByteWriter {
    fileprivate mutating func request(_ kind: UInt8, _ path: GuestPath) {
        unsigned8(kind)
        self.path(path)
    }

    fileprivate mutating func request(_ kind: UInt8, _ path: GuestPath, _ flag: Bool) {
        request(kind, path)
        boolean(flag)
    }

    fileprivate mutating func request(_ kind: UInt8, _ path: GuestPath, _ newPath: GuestPath, _ flag: Bool) {
        request(kind, path)
        self.path(newPath)
        boolean(flag)
    }

    fileprivate mutating func request(_ kind: UInt8, _ handle: UInt32) {
        unsigned8(kind)
        unsigned32(handle)
    }

    fileprivate mutating func attribute(_ kind: UInt8, _ path: GuestPath, _ name: [UInt8], _ flag: Bool) {
        request(kind, path)
        data(name)
        boolean(flag)
    }
}
