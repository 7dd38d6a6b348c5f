import CLinux
import Glibc

/// Requests about open files and their content.
extension MountService {
    private static let accessMask: Int32 = 3

    func open(_ node: Node, flags: Int32) throws(ErrorNumber) {
        let access = flags & Self.accessMask
        // Also what is opened for reading only, strange as it is.
        let truncates = flags & O_TRUNC != 0
        guard access != Self.accessMask else { throw ErrorNumber(EINVAL) }
        guard !node.isDirectory else { throw ErrorNumber(EISDIR) }
        if access != O_RDONLY || truncates { try requireWritable() }
        try handles.requireRoom()
        // Not with O_APPEND: pages of a mapping are written through any handle, and must go where they belong.
        let descriptor = try tree.open(node, access: access)
        let handle = handles.add(node, access: access, descriptor: descriptor)
        do throws(ErrorNumber) {
            if truncates { try truncate(node, descriptor, access) }
            appendOpened(handle, keepsCache: try noteContent(node, descriptor))
        } catch {
            release(handle.id)
            throw error
        }
    }

    /// Makes an open file empty; only now that it is known which one it is.
    private func truncate(_ node: Node, _ descriptor: Int32, _ access: Int32) throws(ErrorNumber) {
        guard access == O_RDONLY else { return try truncate(descriptor) }
        let writable = try tree.open(node, access: O_WRONLY)
        defer { close(writable) }
        try truncate(writable)
    }

    private func truncate(_ descriptor: Int32) throws(ErrorNumber) {
        var before = linux_file_status()
        var after = linux_file_status()
        if account != nil { try check(linux_file_status_at(descriptor, "", &before)) }
        try check(ftruncate(descriptor, 0))
        guard account != nil else { return }
        try check(linux_file_status_at(descriptor, "", &after))
        account?.change(from: before, to: after)
    }

    /// Whether a file's content is what it was when the guest last opened it, so that pages that it has are good.
    private func noteContent(_ node: Node, _ descriptor: Int32) throws(ErrorNumber) -> Bool {
        var status = linux_file_status()
        try check(linux_file_status_at(descriptor, "", &status))
        let version = ContentVersion(
            seconds: status.modified, nanoseconds: status.modified_nanoseconds, size: status.size)
        defer { node.contentVersion = version }
        return node.contentVersion == version
    }

    /// Appends `struct fuse_open_out`.
    private func appendOpened(_ handle: Handle, keepsCache: Bool) {
        out.append(handle.id)
        out.append(keepsCache ? KernelProtocol.keepsCache : 0)
        out.append(UInt32(0))
    }

    func create(
        _ name: RequestName, flags: Int32, mode: UInt32, umask: UInt32, in parent: Node, _ header: RequestHeader
    ) throws(ErrorNumber) {
        try requireWritable()
        try handles.requireRoom()
        let access = flags & Self.accessMask
        guard access != Self.accessMask else { throw ErrorNumber(EINVAL) }
        let permissions = permissions(mode, umask: umask)
        let directory = try tree.directory(parent)
        try account?.require(SpaceAccount.perName)
        // First as a new file, so that none that is there is taken for what was asked for.
        var descriptor = linux_open_below(
            directory, name.pointer, access | O_CREAT | O_EXCL | O_NOCTTY, permissions)
        let isNew = descriptor >= 0
        if isNew {
            giveToCaller(directory, name.pointer, header)
            account?.add(SpaceAccount.perName)
        } else {
            guard errno == EEXIST, flags & O_EXCL == 0 else { throw ErrorNumber(errno) }
            let status = try tree.status(of: name, in: parent)
            switch status.mode & FileKind.mask {
            case FileKind.file: break
            case FileKind.directory: throw ErrorNumber(EISDIR)
            case FileKind.link: throw ErrorNumber(ELOOP)
            default: throw ErrorNumber(ENXIO)
            }
            descriptor = try check(
                linux_open_below(directory, name.pointer, access | O_NONBLOCK | O_NOCTTY, 0))
        }
        var status = linux_file_status()
        let node: Node
        do throws(ErrorNumber) {
            try check(linux_file_status_at(descriptor, "", &status))
            // It may have been replaced since it was looked at.
            guard status.mode & FileKind.mask == FileKind.file else { throw ErrorNumber(ENXIO) }
            node = try tree.nodes.node(of: status, name, in: parent)
            if !isNew && flags & O_TRUNC != 0 {
                try truncate(node, descriptor, access)
                try check(linux_file_status_at(descriptor, "", &status))
            }
        } catch {
            close(descriptor)
            throw error
        }
        let handle = handles.add(node, access: access, descriptor: descriptor)
        node.contentVersion = nil
        appendEntry(node, status)
        appendOpened(handle, keepsCache: false)
    }

    func release(_ id: UInt64) {
        guard let handle = handles.remove(id) else { return }
        if account != nil, handle.descriptor >= 0, handle.node.handles.isEmpty {
            var status = linux_file_status()
            // The last that kept a file without names.
            if linux_file_status_at(handle.descriptor, "", &status) == 0, status.links == 0,
                status.mode & FileKind.mask != FileKind.directory
            {
                account?.remove(SpaceAccount.bytes(status))
            }
        }
        tree.nodes.removeUnused(handle.node)
    }

    func read(_ id: UInt64, offset: UInt64, size: Int) throws(ErrorNumber) {
        let descriptor = try tree.descriptor(try handles.handle(id))
        guard let offset = Int64(exactly: offset) else { throw ErrorNumber(EINVAL) }
        try out.append(upTo: size) { memory throws(ErrorNumber) in
            var filled = 0
            // The guest takes less than it asked for as the end of the file.
            while filled < memory.count {
                guard let start = memory.baseAddress else { break }
                let (position, overflow) = offset.addingReportingOverflow(Int64(filled))
                if overflow { break }
                let count = pread(descriptor, start + filled, memory.count - filled, off_t(position))
                if count == 0 { break }
                if count > 0 {
                    filled += count
                } else if errno != EINTR {
                    if filled > 0 { break }
                    throw ErrorNumber(errno)
                }
            }
            return filled
        }
    }

    func write(
        _ id: UInt64, offset: UInt64, flags: UInt32, openFlags: Int32, _ content: UnsafeRawBufferPointer
    ) throws(ErrorNumber) {
        try requireWritable()
        let descriptor = try tree.descriptor(try handles.handle(id))
        guard let offset = Int64(exactly: offset) else { throw ErrorNumber(EFBIG) }
        // At the end as the host sees it, which others may have moved meanwhile.
        let appends = openFlags & O_APPEND != 0 && flags & KernelProtocol.writesPages == 0
        let written: Int
        if account == nil {
            written = try write(descriptor, content, at: offset, appends: appends)
        } else {
            var before = linux_file_status()
            var after = linux_file_status()
            try check(linux_file_status_at(descriptor, "", &before))
            let start = appends ? Int64(clamping: before.size) : offset
            let room = roomForWriting(before, at: start, content.count)
            guard room > 0 || content.isEmpty else { throw ErrorNumber(ENOSPC) }
            written = try write(
                descriptor, UnsafeRawBufferPointer(rebasing: content.prefix(room)), at: offset, appends: appends)
            try check(linux_file_status_at(descriptor, "", &after))
            account?.change(from: before, to: after)
        }
        out.append(UInt32(clamping: written))
        out.append(UInt32(0))
    }

    private func write(
        _ descriptor: Int32, _ content: UnsafeRawBufferPointer, at offset: Int64, appends: Bool
    ) throws(ErrorNumber) -> Int {
        while true {
            let count =
                appends
                ? linux_append(descriptor, content.baseAddress, content.count)
                : pwrite(descriptor, content.baseAddress, content.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw ErrorNumber(errno) }
        }
    }

    /// How many of `count` bytes may be written: all that replace what is on the disk, else what is left.
    private func roomForWriting(_ status: linux_file_status, at offset: Int64, _ count: Int) -> Int {
        guard let account, account.left < UInt64(count) else { return count }
        let end = UInt64(clamping: offset).addingReportingOverflow(UInt64(count))
        if !end.overflow && end.partialValue <= status.size && SpaceAccount.bytes(status) >= status.size {
            return count
        }
        return Int(account.left)
    }

    func synchronize(_ id: UInt64, dataOnly: Bool) throws(ErrorNumber) {
        let descriptor = try tree.descriptor(try handles.handle(id))
        try check(dataOnly ? fdatasync(descriptor) : fsync(descriptor))
    }

    func allocate(_ id: UInt64, offset: UInt64, length: UInt64, mode: UInt32) throws(ErrorNumber) {
        try requireWritable()
        let descriptor = try tree.descriptor(try handles.handle(id))
        guard let start = Int64(exactly: offset), let count = Int64(exactly: length) else { throw ErrorNumber(EFBIG) }
        // FALLOC_FL_KEEP_SIZE, _PUNCH_HOLE and _ZERO_RANGE.
        guard mode & ~0x13 == 0 else { throw ErrorNumber(EOPNOTSUPP) }
        var before = linux_file_status()
        if account != nil {
            if mode & 0x02 == 0 { try account?.require(length) }
            try check(linux_file_status_at(descriptor, "", &before))
        }
        try check(linux_allocate(descriptor, Int32(mode), start, count))
        if account != nil {
            var after = linux_file_status()
            try check(linux_file_status_at(descriptor, "", &after))
            account?.change(from: before, to: after)
        }
    }

    func seek(_ id: UInt64, offset: UInt64, whence: UInt32) throws(ErrorNumber) {
        let descriptor = try tree.descriptor(try handles.handle(id))
        guard let offset = Int64(exactly: offset), whence == linux_seek_data || whence == linux_seek_hole else {
            throw ErrorNumber(EINVAL)
        }
        out.append(UInt64(try check(lseek(descriptor, off_t(offset), Int32(whence)))))
    }

    func copyRange(_ request: CopyRangeRequest) throws(ErrorNumber) {
        try requireWritable()
        let from = try tree.descriptor(try handles.handle(request.handle))
        let to = try tree.descriptor(try handles.handle(request.toHandle))
        guard request.flags == 0, let offset = Int64(exactly: request.offset),
            let toOffset = Int64(exactly: request.toOffset)
        else { throw ErrorNumber(EINVAL) }
        // Some at a time, since others wait.
        var count = min(request.length, 16 << 20)
        var before = linux_file_status()
        if let account {
            try check(linux_file_status_at(to, "", &before))
            count = min(count, account.left)
            guard count > 0 || request.length == 0 else { throw ErrorNumber(ENOSPC) }
        }
        let copied = linux_copy_file_range(from, offset, to, toOffset, Int(count))
        // On other file systems, or ones that cannot, the guest copies by reading and writing.
        guard copied >= 0 else { throw ErrorNumber(errno == EXDEV ? EOPNOTSUPP : errno) }
        if account != nil {
            var after = linux_file_status()
            try check(linux_file_status_at(to, "", &after))
            account?.change(from: before, to: after)
        }
        out.append(UInt32(clamping: copied))
        out.append(UInt32(0))
    }
}
