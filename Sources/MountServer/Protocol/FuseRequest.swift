import Glibc

/// `struct fuse_in_header`: what every request begins with.
struct RequestHeader {
    let length: UInt32
    let operation: UInt32
    /// Comes back in the reply.
    let unique: UInt64
    let node: UInt64
    /// Who asks, by the guest's numbers.
    let user: UInt32
    let group: UInt32

    init(_ reader: inout MessageReader) throws(ErrorNumber) {
        length = try reader.number()
        operation = try reader.number()
        unique = try reader.number()
        node = try reader.number()
        user = try reader.number()
        group = try reader.number()
        try reader.skip(8)  // process, length of extensions
    }
}

/// What the guest's kernel asks for; the structures are those of `linux/fuse.h` under the same names.
///
/// Names and content point into the message and are valid as long as it is.
enum FuseRequest {
    case initialize(major: UInt32, minor: UInt32, readAhead: UInt32, features: KernelProtocol.Features)
    case lookup(RequestName)
    case forget(count: UInt64)
    /// Pairs of a node and a count, 16 bytes each.
    case forgetMany(MessageReader, count: UInt32)
    case getAttributes
    case setAttributes(SetAttributesRequest)
    case readLink
    case symbolicLink(name: RequestName, target: RequestName)
    case makeNode(name: RequestName, mode: UInt32, umask: UInt32)
    case makeDirectory(name: RequestName, mode: UInt32, umask: UInt32)
    case unlink(RequestName)
    case removeDirectory(RequestName)
    case rename(name: RequestName, newDirectory: UInt64, newName: RequestName, flags: UInt32)
    case link(node: UInt64, name: RequestName)
    case open(flags: Int32)
    case create(name: RequestName, flags: Int32, mode: UInt32, umask: UInt32)
    case read(handle: UInt64, offset: UInt64, size: Int)
    case write(handle: UInt64, offset: UInt64, flags: UInt32, openFlags: Int32, content: UnsafeRawBufferPointer)
    case release(handle: UInt64)
    case synchronize(handle: UInt64, dataOnly: Bool)
    case openDirectory
    case readDirectory(handle: UInt64, offset: UInt64, size: Int, withAttributes: Bool)
    case fileSystemStatus
    case getExtendedAttribute(name: RequestName, size: Int)
    case setExtendedAttribute(name: RequestName, flags: UInt32, value: UnsafeRawBufferPointer)
    case listExtendedAttributes(size: Int)
    case removeExtendedAttribute(RequestName)
    case allocate(handle: UInt64, offset: UInt64, length: UInt64, mode: UInt32)
    case seek(handle: UInt64, offset: UInt64, whence: UInt32)
    case copyRange(CopyRangeRequest)
    case interrupt
    case destroy

    /// Reads what follows the header.
    /// - Throws: `ENOSYS` for what is not done here, `EINVAL` for a message that is not what its number says.
    init(_ header: RequestHeader, _ body: MessageReader) throws(ErrorNumber) {
        guard let operation = KernelProtocol.Operation(rawValue: header.operation) else { throw ErrorNumber(ENOSYS) }
        var body = body
        switch operation {
        case .initialize:
            let (major, minor, readAhead): (UInt32, UInt32, UInt32) = (
                try body.number(), try body.number(), try body.number()
            )
            var features = KernelProtocol.Features(rawValue: UInt64(try body.number(UInt32.self)))
            if features.contains(.moreFeatures), let more = try? body.number(UInt32.self) {
                features.formUnion(KernelProtocol.Features(rawValue: UInt64(more) << 32))
            }
            self = .initialize(major: major, minor: minor, readAhead: readAhead, features: features)
        case .lookup: self = .lookup(try body.name())
        case .forget: self = .forget(count: try body.number())
        case .forgetMany:
            let count: UInt32 = try body.number()
            try body.skip(4)
            self = .forgetMany(body, count: count)
        case .getAttributes:
            // It may name a handle, but any through which the file is open would do.
            try body.skip(16)
            self = .getAttributes
        case .setAttributes: self = .setAttributes(try SetAttributesRequest(&body))
        case .readLink: self = .readLink
        case .symbolicLink: self = .symbolicLink(name: try body.name(), target: try body.text())
        case .makeNode:
            let mode: UInt32 = try body.number()
            try body.skip(4)  // number of a device
            let umask: UInt32 = try body.number()
            try body.skip(4)
            self = .makeNode(name: try body.name(), mode: mode, umask: umask)
        case .makeDirectory:
            let (mode, umask): (UInt32, UInt32) = (try body.number(), try body.number())
            self = .makeDirectory(name: try body.name(), mode: mode, umask: umask)
        case .unlink: self = .unlink(try body.name())
        case .removeDirectory: self = .removeDirectory(try body.name())
        case .rename:
            let directory: UInt64 = try body.number()
            self = .rename(name: try body.name(), newDirectory: directory, newName: try body.name(), flags: 0)
        case .renameWithFlags:
            let directory: UInt64 = try body.number()
            let flags: UInt32 = try body.number()
            try body.skip(4)
            self = .rename(name: try body.name(), newDirectory: directory, newName: try body.name(), flags: flags)
        case .link:
            let node: UInt64 = try body.number()
            self = .link(node: node, name: try body.name())
        case .open: self = .open(flags: try body.number())
        case .openDirectory: self = .openDirectory
        case .create:
            let flags: Int32 = try body.number()
            let (mode, umask): (UInt32, UInt32) = (try body.number(), try body.number())
            try body.skip(4)
            self = .create(name: try body.name(), flags: flags, mode: mode, umask: umask)
        case .read, .readDirectory, .readDirectoryPlus:
            let (handle, offset): (UInt64, UInt64) = (try body.number(), try body.number())
            let size = min(Int(try body.number(UInt32.self)), KernelProtocol.mostContent)
            self =
                operation == .read
                ? .read(handle: handle, offset: offset, size: size)
                : .readDirectory(
                    handle: handle, offset: offset, size: size, withAttributes: operation == .readDirectoryPlus)
        case .write:
            let (handle, offset): (UInt64, UInt64) = (try body.number(), try body.number())
            let (size, flags): (UInt32, UInt32) = (try body.number(), try body.number())
            try body.skip(8)  // owner of locks
            let openFlags: Int32 = try body.number()
            try body.skip(4)
            self = .write(
                handle: handle, offset: offset, flags: flags, openFlags: openFlags,
                content: try body.bytes(Int(size)))
        case .release, .releaseDirectory: self = .release(handle: try body.number())
        case .synchronize, .synchronizeDirectory:
            let handle: UInt64 = try body.number()
            let flags: UInt32 = try body.number()
            self = .synchronize(handle: handle, dataOnly: flags & KernelProtocol.synchronizesDataOnly != 0)
        case .fileSystemStatus: self = .fileSystemStatus
        case .getExtendedAttribute:
            let size = Int(try body.number(UInt32.self))
            try body.skip(4)
            self = .getExtendedAttribute(name: try body.text(), size: size)
        case .setExtendedAttribute:
            let (size, flags): (UInt32, UInt32) = (try body.number(), try body.number())
            // Without FUSE_SETXATTR_EXT the structure ends here.
            let name = try body.text()
            self = .setExtendedAttribute(name: name, flags: flags, value: try body.bytes(Int(size)))
        case .listExtendedAttributes: self = .listExtendedAttributes(size: Int(try body.number(UInt32.self)))
        case .removeExtendedAttribute: self = .removeExtendedAttribute(try body.text())
        case .allocate:
            let (handle, offset, length): (UInt64, UInt64, UInt64) = (
                try body.number(), try body.number(), try body.number()
            )
            self = .allocate(handle: handle, offset: offset, length: length, mode: try body.number())
        case .seek:
            let (handle, offset): (UInt64, UInt64) = (try body.number(), try body.number())
            self = .seek(handle: handle, offset: offset, whence: try body.number())
        case .copyRange: self = .copyRange(try CopyRangeRequest(&body))
        case .interrupt: self = .interrupt
        case .destroy: self = .destroy
        }
    }
}

/// `struct fuse_setattr_in`.
struct SetAttributesRequest {
    let valid: KernelProtocol.SetAttributes
    let handle: UInt64
    let size: UInt64
    let accessed: Int64
    let modified: Int64
    let accessedNanoseconds: UInt32
    let modifiedNanoseconds: UInt32
    let mode: UInt32
    let user: UInt32
    let group: UInt32

    init(_ reader: inout MessageReader) throws(ErrorNumber) {
        valid = KernelProtocol.SetAttributes(rawValue: try reader.number())
        try reader.skip(4)
        handle = try reader.number()
        size = try reader.number()
        try reader.skip(8)  // owner of locks
        accessed = try reader.number()
        modified = try reader.number()
        try reader.skip(8)  // time of change
        accessedNanoseconds = try reader.number()
        modifiedNanoseconds = try reader.number()
        try reader.skip(4)
        mode = try reader.number()
        try reader.skip(4)
        user = try reader.number()
        group = try reader.number()
        try reader.skip(4)
    }
}

/// `struct fuse_copy_file_range_in`.
struct CopyRangeRequest {
    let handle: UInt64
    let offset: UInt64
    let toNode: UInt64
    let toHandle: UInt64
    let toOffset: UInt64
    let length: UInt64
    let flags: UInt64

    init(_ reader: inout MessageReader) throws(ErrorNumber) {
        handle = try reader.number()
        offset = try reader.number()
        toNode = try reader.number()
        toHandle = try reader.number()
        toOffset = try reader.number()
        length = try reader.number()
        flags = try reader.number()
    }
}
