import CLinux
import Glibc

/// Requests about what a file has besides content.
extension MountService {
    func getAttributes(_ node: Node) throws(ErrorNumber) {
        appendAttributeReply(node, try tree.status(node))
    }

    /// Appends `struct fuse_attr_out`.
    private func appendAttributeReply(_ node: Node, _ status: linux_file_status) {
        out.append(UInt64(options.cacheSeconds))
        out.append(UInt64(0))  // and no nanoseconds
        appendAttributes(node, status)
    }

    func setAttributes(_ node: Node, _ request: SetAttributesRequest) throws(ErrorNumber) {
        try requireWritable()
        if !request.valid.isDisjoint(with: [.user, .group]) { try setOwner(node, request) }
        if request.valid.contains(.mode) { try setMode(node, request.mode) }
        if request.valid.contains(.size) { try setSize(node, request) }
        if !request.valid.isDisjoint(with: [.accessed, .modified]) { try setTimes(node, request) }
        appendAttributeReply(node, try tree.status(node))
    }

    /// Gives a file away. To whom it belongs already it can always be given, so that a guest's root who unpacks archives
    /// or copies with owners meets no error; to others only by root.
    private func setOwner(_ node: Node, _ request: SetAttributesRequest) throws(ErrorNumber) {
        let status = try tree.status(node)
        var (user, group) = (OwnerMap.unchanged, OwnerMap.unchanged)
        if request.valid.contains(.user), request.user != OwnerMap.unchanged,
            request.user != owners.guestUser(of: status.user)
        {
            user = try owners.hostUser(of: request.user)
        }
        if request.valid.contains(.group), request.group != OwnerMap.unchanged,
            request.group != owners.guestGroup(of: status.group)
        {
            group = try owners.hostGroup(of: request.group)
        }
        guard user != OwnerMap.unchanged || group != OwnerMap.unchanged else { return }
        try tree.withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor), .named(let descriptor):
                try check(fchownat(descriptor, "", user, group, linux_empty_path))
            }
        }
    }

    /// Sets permissions. No file runs as another user on the host; a directory may hand down its group.
    private func setMode(_ node: Node, _ mode: UInt32) throws(ErrorNumber) {
        guard node.kind != FileKind.link else { throw ErrorNumber(EOPNOTSUPP) }
        try setMode(node, exactly: mode & (node.isDirectory ? 0o3777 : 0o1777))
    }

    /// Sets permissions as they are given.
    func setMode(_ node: Node, exactly mode: UInt32) throws(ErrorNumber) {
        let mode = mode_t(mode)
        try tree.withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor): try check(fchmod(descriptor, mode))
            case .named(let descriptor):
                try withDescriptorPath(descriptor) { path throws(ErrorNumber) in try check(chmod(path, mode)) }
            }
        }
    }

    private func setSize(_ node: Node, _ request: SetAttributesRequest) throws(ErrorNumber) {
        guard let size = Int64(exactly: request.size) else { throw ErrorNumber(EFBIG) }
        let before = account == nil ? nil : try tree.status(node)
        if request.valid.contains(.handle), let handle = try? handles.handle(request.handle), handle.node === node {
            try check(ftruncate(try tree.descriptor(handle), off_t(size)))
        } else {
            let descriptor = try tree.open(node, access: O_WRONLY)
            defer { close(descriptor) }
            try check(ftruncate(descriptor, off_t(size)))
        }
        if let before { account?.change(from: before, to: try tree.status(node)) }
    }

    private func setTimes(_ node: Node, _ request: SetAttributesRequest) throws(ErrorNumber) {
        let valid = request.valid
        func nanoseconds(
            _ set: KernelProtocol.SetAttributes, _ now: KernelProtocol.SetAttributes, _ value: UInt32
        ) throws(ErrorNumber) -> UInt32 {
            guard valid.contains(set) else { return linux_time_kept }
            if valid.contains(now) { return linux_time_now }
            guard value < 1_000_000_000 else { throw ErrorNumber(EINVAL) }
            return value
        }
        let accessed = try nanoseconds(.accessed, .accessedNow, request.accessedNanoseconds)
        let modified = try nanoseconds(.modified, .modifiedNow, request.modifiedNanoseconds)
        try tree.withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor), .named(let descriptor):
                try check(linux_set_times(descriptor, request.accessed, accessed, request.modified, modified))
            }
        }
    }

    func fileSystemStatus() throws(ErrorNumber) {
        var status = linux_file_system_status()
        try check(linux_file_system(tree.nodes.root.descriptor, &status))
        if let account, status.block_size > 0 {
            let unit = UInt64(status.block_size)
            status.fragment_size = status.block_size
            status.blocks = account.limit / unit
            status.free_blocks = min(status.free_blocks, account.left / unit)
            status.available_blocks = min(status.available_blocks, account.left / unit)
        }
        for number in [
            status.blocks, status.free_blocks, status.available_blocks, status.files, status.free_files,
        ] { out.append(number) }
        out.append(status.block_size)
        out.append(status.name_length)
        out.append(status.fragment_size)
        out.appendZeros(28)
    }

    // MARK: Extended attributes

    /// Only those of `user.` are the guest's: all others mean something to the host.
    private func requireOwn(_ name: RequestName) throws(ErrorNumber) {
        guard name.count <= 255 else { throw ErrorNumber(ERANGE) }
        guard name.bytes.starts(with: "user.".utf8) else { throw ErrorNumber(EOPNOTSUPP) }
    }

    /// Calls one of two forms of a call, for an open file or for a path.
    private func withAttributes<Value>(
        _ node: Node, open: (Int32) throws(ErrorNumber) -> Value,
        path: (UnsafePointer<CChar>) throws(ErrorNumber) -> Value
    ) throws(ErrorNumber) -> Value {
        try tree.withFile(node) { reach throws(ErrorNumber) in
            switch reach {
            case .open(let descriptor): try open(descriptor)
            case .named(let descriptor): try withDescriptorPath(descriptor, path)
            }
        }
    }

    func getExtendedAttribute(_ node: Node, _ name: RequestName, size: Int) throws(ErrorNumber) {
        try requireOwn(name)
        try appendSized(size) { memory throws(ErrorNumber) in
            try withAttributes(node) { descriptor throws(ErrorNumber) in
                try check(fgetxattr(descriptor, name.pointer, memory.baseAddress, memory.count))
            } path: { path throws(ErrorNumber) in
                try check(getxattr(path, name.pointer, memory.baseAddress, memory.count))
            }
        }
    }

    func listExtendedAttributes(_ node: Node, size: Int) throws(ErrorNumber) {
        var list = [UInt8](repeating: 0, count: 64 << 10)
        let count = try withAttributes(node) { descriptor throws(ErrorNumber) in
            try check(list.withUnsafeMutableBytes { flistxattr(descriptor, $0.baseAddress, $0.count) })
        } path: { path throws(ErrorNumber) in
            try check(list.withUnsafeMutableBytes { listxattr(path, $0.baseAddress, $0.count) })
        }
        let own = list.prefix(count).split(separator: 0).filter { $0.starts(with: "user.".utf8) }
            .flatMap { $0 + [0] }
        try appendSized(size) { memory throws(ErrorNumber) in
            guard memory.count > 0 else { return own.count }
            guard own.count <= memory.count else { throw ErrorNumber(ERANGE) }
            memory.copyBytes(from: own)
            return own.count
        }
    }

    /// Appends what `fill` writes, or for a size of 0 `struct fuse_getxattr_out` with how much it would be.
    private func appendSized(
        _ size: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(ErrorNumber) -> Int
    ) throws(ErrorNumber) {
        if size == 0 {
            let count = try fill(UnsafeMutableRawBufferPointer(start: nil, count: 0))
            out.append(UInt32(clamping: count))
            out.append(UInt32(0))
        } else {
            try out.append(upTo: min(size, 64 << 10), fill)
        }
    }

    func setExtendedAttribute(
        _ node: Node, _ name: RequestName, flags: UInt32, _ value: UnsafeRawBufferPointer
    ) throws(ErrorNumber) {
        try requireWritable()
        try requireOwn(name)
        // XATTR_CREATE and XATTR_REPLACE.
        guard flags & ~3 == 0, value.count <= 64 << 10 else { throw ErrorNumber(EINVAL) }
        try account?.require(UInt64(value.count))
        let before = account == nil ? nil : try tree.status(node)
        _ = try withAttributes(node) { descriptor throws(ErrorNumber) in
            try check(fsetxattr(descriptor, name.pointer, value.baseAddress, value.count, Int32(flags)))
        } path: { path throws(ErrorNumber) in
            try check(setxattr(path, name.pointer, value.baseAddress, value.count, Int32(flags)))
        }
        if let before { account?.change(from: before, to: try tree.status(node)) }
    }

    func removeExtendedAttribute(_ node: Node, _ name: RequestName) throws(ErrorNumber) {
        try requireWritable()
        try requireOwn(name)
        _ = try withAttributes(node) { descriptor throws(ErrorNumber) in
            try check(fremovexattr(descriptor, name.pointer))
        } path: { path throws(ErrorNumber) in
            try check(removexattr(path, name.pointer))
        }
    }
}
