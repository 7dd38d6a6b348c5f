import CLinux
import Glibc

/// Carries out the requests of one guest's kernel on one directory or file of the host.
///
/// Knows messages and files, and not how messages come and go. Nothing in a request is trusted: a request that is not what
/// it should be fails, and changes nothing.
final class MountService {
    let options: MountOptions
    let owners: OwnerMap
    var tree: ServedTree
    var handles: HandleTable
    var account: SpaceAccount?
    let out: OutgoingMessages
    /// What the guest's kernel and the server agreed upon; `nil` before INIT.
    var negotiated: Negotiated?
    /// The umask of this process; `nil` where it is left alone.
    private var umask: UInt32?
    let rootDevice: UInt64

    /// What came of INIT.
    struct Negotiated: Equatable {
        var minor: UInt32
        var features: UInt64
    }

    /// Serves what `root` names; it must stay open.
    /// - Parameter mostOpen: how many descriptors it may have open.
    /// - Parameter umask: that of this process, which is changed as requests need, so that the host's kernel applies it or,
    ///   where a directory has default access lists, those. `nil` where others of the process make files too: masks are
    ///   then applied without the kernel.
    /// - Throws: ``ErrorNumber``: what is served can only be a directory or a regular file.
    init(
        root: Int32, _ options: MountOptions, out: OutgoingMessages, mostOpen: Int, umask: UInt32?
    ) throws(ErrorNumber) {
        self.umask = umask
        var status = linux_file_status()
        try check(linux_file_status_at(root, "", &status))
        let kind = status.mode & FileKind.mask
        guard kind == FileKind.directory || kind == FileKind.file else { throw ErrorNumber(ENOTDIR) }
        self.options = options
        self.out = out
        owners = OwnerMap(options, servesAsRoot: geteuid() == 0)
        rootDevice = status.device
        // A quarter for directories, and a reserve for what a request opens for its own time.
        tree = ServedTree(
            nodes: NodeTable(root: status, descriptor: root, mostDirectories: min(max(mostOpen / 4, 8), 4096)))
        handles = HandleTable(most: max(mostOpen - mostOpen / 4 - 16, 8))
        if let limit = options.sizeLimit {
            var account = SpaceAccount(limit: limit)
            account.count(root)
            self.account = account
        }
    }

    deinit {
        handles.closeAll()
        tree.nodes.directories.closeAll()
    }

    /// Carries out one complete message and writes the reply, if there is to be one.
    /// - Throws: `EPROTO` when the message has no header, so that nobody can be answered.
    func handle(_ message: UnsafeRawBufferPointer) throws(ErrorNumber) {
        var reader = MessageReader(message)
        guard let header = try? RequestHeader(&reader), Int(header.length) == message.count else {
            throw ErrorNumber(EPROTO)
        }
        let mark: OutgoingMessages.Mark
        do throws(ErrorNumber) {
            let request = try FuseRequest(header, reader)
            switch request {
            case .forget(let count): return tree.nodes.forget(header.node, count)
            case .forgetMany(let nodes, let count): return forget(nodes, count)
            // Requests are carried out in their order, so the one that is meant has been answered already.
            case .interrupt: return
            default: break
            }
            mark = out.begin(header.unique)
            do throws(ErrorNumber) {
                do throws(ErrorNumber) { try carryOut(request, header) } catch {
                    guard error.code == EACCES, mayOverride(header) else { throw error }
                    out.empty(mark)
                    try carryOutWithRights(request, header)
                }
                out.finish(mark)
            } catch {
                out.finish(mark, error: error.code)
            }
        } catch {
            // One to which no reply is expected stays without, even when it makes no sense.
            switch KernelProtocol.Operation(rawValue: header.operation) {
            case .forget, .forgetMany, .interrupt: return
            default: out.finish(out.begin(header.unique), error: error.code)
            }
        }
    }

    func carryOut(_ request: FuseRequest, _ header: RequestHeader) throws(ErrorNumber) {
        if case .initialize(let major, let minor, let readAhead, let features) = request {
            return try initialize(major: major, minor: minor, readAhead: readAhead, features: features)
        }
        guard negotiated != nil else { throw ErrorNumber(EPROTO) }
        switch request {
        case .read(let handle, let offset, let size): try read(handle, offset: offset, size: size)
        case .write(let handle, let offset, let flags, let openFlags, let content):
            try write(handle, offset: offset, flags: flags, openFlags: openFlags, content)
        case .lookup(let name): try lookUp(name, in: try tree.nodes.node(header.node))
        case .getAttributes: try getAttributes(try tree.nodes.node(header.node))
        case .setAttributes(let request): try setAttributes(try tree.nodes.node(header.node), request)
        case .readLink: try readLink(try tree.nodes.node(header.node))
        case .symbolicLink(let name, let target):
            try makeLink(name, to: target, in: try tree.nodes.node(header.node), header)
        case .makeNode(let name, let mode, let umask):
            try makeNode(name, mode: mode, umask: umask, in: try tree.nodes.node(header.node), header)
        case .makeDirectory(let name, let mode, let umask):
            try makeDirectory(name, mode: mode, umask: umask, in: try tree.nodes.node(header.node), header)
        case .unlink(let name): try remove(name, in: try tree.nodes.node(header.node), directory: false)
        case .removeDirectory(let name): try remove(name, in: try tree.nodes.node(header.node), directory: true)
        case .rename(let name, let newDirectory, let newName, let flags):
            try rename(
                name, in: try tree.nodes.node(header.node), to: newName, in: try tree.nodes.node(newDirectory),
                flags: flags)
        case .link(let node, let name):
            try link(try tree.nodes.node(node), as: name, in: try tree.nodes.node(header.node))
        case .open(let flags): try open(try tree.nodes.node(header.node), flags: flags)
        case .create(let name, let flags, let mode, let umask):
            try create(
                name, flags: flags, mode: mode, umask: umask, in: try tree.nodes.node(header.node), header)
        case .release(let handle): release(handle)
        case .synchronize(let handle, let dataOnly): try synchronize(handle, dataOnly: dataOnly)
        case .openDirectory: try openDirectory(try tree.nodes.node(header.node))
        case .readDirectory(let handle, let offset, let size, let withAttributes):
            try readDirectory(handle, offset: offset, size: size, withAttributes: withAttributes)
        case .fileSystemStatus: try fileSystemStatus()
        case .getExtendedAttribute(let name, let size):
            try getExtendedAttribute(try tree.nodes.node(header.node), name, size: size)
        case .setExtendedAttribute(let name, let flags, let value):
            try setExtendedAttribute(try tree.nodes.node(header.node), name, flags: flags, value)
        case .listExtendedAttributes(let size):
            try listExtendedAttributes(try tree.nodes.node(header.node), size: size)
        case .removeExtendedAttribute(let name):
            try removeExtendedAttribute(try tree.nodes.node(header.node), name)
        case .allocate(let handle, let offset, let length, let mode):
            try allocate(handle, offset: offset, length: length, mode: mode)
        case .seek(let handle, let offset, let whence): try seek(handle, offset: offset, whence: whence)
        case .copyRange(let request): try copyRange(request)
        case .destroy: negotiated = nil
        case .initialize, .forget, .forgetMany, .interrupt: break
        }
    }

    // MARK: The connection

    private func initialize(
        major: UInt32, minor: UInt32, readAhead: UInt32, features: KernelProtocol.Features
    ) throws(ErrorNumber) {
        guard major >= KernelProtocol.major else { throw ErrorNumber(EPROTO) }
        let supported = features.intersection(.wanted)
        // A newer kernel asks again with our version when it sees it.
        guard major > KernelProtocol.major || minor >= KernelProtocol.oldestMinor else { throw ErrorNumber(EPROTO) }
        if major == KernelProtocol.major {
            negotiated = Negotiated(minor: min(minor, KernelProtocol.minor), features: supported.rawValue)
        }
        out.append(KernelProtocol.major)
        out.append(KernelProtocol.minor)
        out.append(min(readAhead, UInt32(KernelProtocol.mostContent)))
        out.append(UInt32(truncatingIfNeeded: supported.rawValue))
        out.append(UInt16(64))  // requests in the background, of reads ahead for example
        out.append(UInt16(48))  // from so many on they count as congested
        out.append(UInt32(KernelProtocol.mostContent))
        out.append(UInt32(1))  // times are kept in nanoseconds
        out.append(KernelProtocol.mostPages)
        out.append(UInt16(0))
        out.append(UInt32(truncatingIfNeeded: supported.rawValue >> 32))
        out.appendZeros(28)
    }

    private func forget(_ nodes: MessageReader, _ count: UInt32) {
        var nodes = nodes
        for _ in 0..<count {
            guard let node = try? nodes.number(UInt64.self), let count = try? nodes.number(UInt64.self) else { return }
            tree.nodes.forget(node, count)
        }
    }

    // MARK: What several requests need

    /// Throws `EROFS` where nothing may be changed.
    func requireWritable() throws(ErrorNumber) { if options.readOnly { throw ErrorNumber(EROFS) } }

    /// Whether the guest may keep lists of names, and that a name is not there: only where nothing changes.
    var mayKeep: Bool { options.readOnly && options.cacheSeconds > 1 }

    /// The permissions with which something is made, a request's umask being taken up. Never with set-id bits.
    func permissions(_ mode: UInt32, umask mask: UInt32) -> mode_t {
        let mask = mask & 0o777
        guard let umask else { return mode_t(mode & 0o1777 & ~mask) }
        if mask != umask {
            _ = Glibc.umask(mode_t(mask))
            self.umask = mask
        }
        return mode_t(mode & 0o1777)
    }

    /// The monotonic clock, in seconds.
    static var seconds: UInt32 {
        var now = timespec()
        // The coarse clock is read without a system call.
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
        return UInt32(truncatingIfNeeded: now.tv_sec)
    }

    /// Appends `struct fuse_attr`.
    func appendAttributes(_ node: Node, _ status: linux_file_status) {
        node.lastTold = Self.seconds
        out.append(inodeNumber(status))
        out.append(status.size)
        out.append(status.blocks)
        out.append(status.accessed)
        out.append(status.modified)
        out.append(status.changed)
        out.append(status.accessed_nanoseconds)
        out.append(status.modified_nanoseconds)
        out.append(status.changed_nanoseconds)
        out.append(status.mode)
        out.append(status.links)
        out.append(owners.guestUser(of: status.user))
        out.append(owners.guestGroup(of: status.group))
        out.append(UInt32(0))  // a device of the host would be another one in the guest
        out.append(status.block_size)
        out.append(UInt32(0))
    }

    /// The number that the guest sees. File systems mounted below the served directory have numbers of their own, which
    /// must not be mistaken for others' of the same value.
    private func inodeNumber(_ status: linux_file_status) -> UInt64 {
        let number =
            status.device == rootDevice ? status.inode : status.inode ^ (status.device &* 0x9e37_79b9_7f4a_7c15)
        return number == 0 ? 1 : number
    }

    /// Appends `struct fuse_entry_out` and counts the node as looked up once more.
    func appendEntry(_ node: Node, _ status: linux_file_status) {
        if node !== tree.nodes.root { node.lookups += 1 }
        out.append(node.id)
        out.append(UInt64(0))  // numbers of nodes are never given twice
        out.append(UInt64(options.cacheSeconds))
        out.append(UInt64(options.cacheSeconds))
        out.append(UInt64(0))  // both in nanoseconds
        appendAttributes(node, status)
    }
}
