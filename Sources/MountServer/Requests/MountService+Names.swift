import CLinux
import Glibc

/// Requests about names in directories.
extension MountService {
    func lookUp(_ name: RequestName, in parent: Node) throws(ErrorNumber) {
        let status: linux_file_status
        do throws(ErrorNumber) { status = try tree.status(of: name, in: parent) } catch {
            guard error.code == ENOENT, mayKeep else { throw error }
            // That there is nothing may be remembered as well: an entry without a node.
            out.append(UInt64(0))
            out.append(UInt64(0))
            out.append(UInt64(options.cacheSeconds))
            return out.appendZeros(104)
        }
        appendEntry(try tree.nodes.node(of: status, name, in: parent), status)
    }

    func readLink(_ node: Node) throws(ErrorNumber) {
        guard node.kind == FileKind.link else { throw ErrorNumber(EINVAL) }
        try tree.withFile(node) { reach throws(ErrorNumber) in
            guard case .named(let descriptor) = reach else { throw ErrorNumber(EINVAL) }
            try out.append(upTo: Int(PATH_MAX)) { memory throws(ErrorNumber) in
                guard let text = memory.baseAddress else { return 0 }
                return try check(
                    readlinkat(descriptor, "", text.assumingMemoryBound(to: CChar.self), memory.count))
            }
        }
    }

    func makeLink(
        _ name: RequestName, to target: RequestName, in parent: Node, _ header: RequestHeader
    ) throws(ErrorNumber) {
        try make(name, in: parent, header) { directory throws(ErrorNumber) in
            try check(symlinkat(target.pointer, directory, name.pointer))
        }
    }

    func makeDirectory(
        _ name: RequestName, mode: UInt32, umask: UInt32, in parent: Node, _ header: RequestHeader
    ) throws(ErrorNumber) {
        let permissions = permissions(mode, umask: umask)
        try make(name, in: parent, header) { directory throws(ErrorNumber) in
            try check(mkdirat(directory, name.pointer, permissions))
        }
    }

    /// Makes a regular file, a fifo or a socket. Devices would be the host's.
    func makeNode(
        _ name: RequestName, mode: UInt32, umask: UInt32, in parent: Node, _ header: RequestHeader
    ) throws(ErrorNumber) {
        var kind = mode & FileKind.mask
        if kind == 0 { kind = FileKind.file }
        guard kind == FileKind.file || kind == FileKind.fifo || kind == FileKind.socket else {
            throw ErrorNumber(EPERM)
        }
        let permissions = permissions(mode, umask: umask)
        try make(name, in: parent, header) { directory throws(ErrorNumber) in
            try check(mknodat(directory, name.pointer, mode_t(kind) | permissions, 0))
        }
    }

    /// Makes something and gives it to whom it belongs.
    private func make(
        _ name: RequestName, in parent: Node, _ header: RequestHeader, _ body: (Int32) throws(ErrorNumber) -> Void
    ) throws(ErrorNumber) {
        try requireWritable()
        try account?.require(SpaceAccount.perName)
        let directory = try tree.directory(parent)
        try body(directory)
        giveToCaller(directory, name.pointer, header)
        let status = try tree.status(of: name, in: parent)
        account?.add(SpaceAccount.perName)
        account?.add(SpaceAccount.bytes(status))
        appendEntry(try tree.nodes.node(of: status, name, in: parent), status)
    }

    /// Makes the caller the owner of what was just made, where that is possible. In a directory that hands down its group
    /// the group stays.
    func giveToCaller(_ directory: Int32, _ name: UnsafePointer<CChar>, _ header: RequestHeader) {
        guard owners.servesAsRoot, let user = try? owners.hostUser(of: header.user),
            let group = try? owners.hostGroup(of: header.group)
        else { return }
        if user == geteuid() && group == getegid() { return }
        var status = linux_file_status()
        let inherits = linux_file_status_at(directory, "", &status) == 0 && status.mode & 0o2000 != 0
        fchownat(directory, name, user, inherits ? OwnerMap.unchanged : group, AT_SYMLINK_NOFOLLOW)
    }

    func remove(_ name: RequestName, in parent: Node, directory: Bool) throws(ErrorNumber) {
        try requireWritable()
        let descriptor = try tree.directory(parent)
        guard account != nil else {
            try check(unlinkat(descriptor, name.pointer, directory ? AT_REMOVEDIR : 0))
            return
        }
        let status = try tree.status(of: name, in: parent)
        try check(unlinkat(descriptor, name.pointer, directory ? AT_REMOVEDIR : 0))
        account?.remove(SpaceAccount.perName)
        noteRemoval(status)
    }

    /// Counts what is free once a file lost a name; what is open still is when it is closed.
    private func noteRemoval(_ status: linux_file_status) {
        guard status.links <= 1 || status.mode & FileKind.mask == FileKind.directory else { return }
        if tree.nodes.known(FileIdentity(status))?.handles.isEmpty ?? true {
            account?.remove(SpaceAccount.bytes(status))
        }
    }

    func rename(
        _ name: RequestName, in parent: Node, to newName: RequestName, in newParent: Node, flags: UInt32
    ) throws(ErrorNumber) {
        try requireWritable()
        // RENAME_NOREPLACE and RENAME_EXCHANGE; a whiteout would be a device.
        guard flags & ~3 == 0 else { throw ErrorNumber(EINVAL) }
        let exchanges = flags & 2 != 0
        let (from, to) = try tree.directories(parent, newParent)
        var replaced = linux_file_status()
        let replaces = account != nil && !exchanges && linux_file_status_at(to, newName.pointer, &replaced) == 0
        try check(linux_rename(from, name.pointer, to, newName.pointer, flags))
        let moved = noteRenamed(newName, in: newParent)
        if exchanges { noteRenamed(name, in: parent) }
        if replaces, FileIdentity(replaced) != moved {
            account?.remove(SpaceAccount.perName)
            noteRemoval(replaced)
        }
    }

    /// Takes up the new name of what the guest knows.
    @discardableResult
    private func noteRenamed(_ name: RequestName, in parent: Node) -> FileIdentity? {
        guard let status = try? tree.status(of: name, in: parent) else { return nil }
        let identity = FileIdentity(status)
        if let node = tree.nodes.known(identity), node !== tree.nodes.root,
            node.link?.isSame(as: name, in: parent) == false
        {
            tree.nodes.see(node, name, in: parent, status)
        }
        return identity
    }

    func link(_ node: Node, as name: RequestName, in parent: Node) throws(ErrorNumber) {
        try requireWritable()
        guard !node.isDirectory else { throw ErrorNumber(EPERM) }
        try account?.require(SpaceAccount.perName)
        _ = try tree.directory(parent)
        try tree.withFile(node) { reach throws(ErrorNumber) in
            let source =
                switch reach {
                case .open(let descriptor), .named(let descriptor): descriptor
                }
            // What was needed to reach the file may have closed the directory. The guest's kernel tries again.
            guard parent.descriptor >= 0 else { throw ErrorNumber(ESTALE) }
            // Not by its name, which may be another file's by now.
            try withDescriptorPath(source) { path throws(ErrorNumber) in
                try check(linkat(AT_FDCWD, path, parent.descriptor, name.pointer, AT_SYMLINK_FOLLOW))
            }
        }
        account?.add(SpaceAccount.perName)
        let status = try tree.status(of: name, in: parent)
        appendEntry(try tree.nodes.node(of: status, name, in: parent), status)
    }

    /// Calls `body` with a path that leads to what a descriptor names, for calls that take no descriptor.
    @discardableResult
    func withDescriptorPath<Value>(
        _ descriptor: Int32, _ body: (UnsafePointer<CChar>) throws(ErrorNumber) -> Value
    ) throws(ErrorNumber) -> Value {
        // On the stack and not in an array: the call fills at most 32 bytes, which live until `body` returns.
        var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let result = withUnsafeMutablePointer(to: &text) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 32) { path in
                Result { () throws(ErrorNumber) -> Value in
                    linux_descriptor_path(descriptor, path)
                    return try body(path)
                }
            }
        }
        return try result.get()
    }
}
