import CLinux
import Glibc

/// Requests that list directories.
extension MountService {
    func openDirectory(_ node: Node) throws(ErrorNumber) {
        guard node.isDirectory else { throw ErrorNumber(ENOTDIR) }
        try handles.requireRoom()
        let descriptor = try tree.open(node, access: O_RDONLY)
        let handle = handles.add(node, access: O_RDONLY, descriptor: descriptor)
        out.append(handle.id)
        out.append(mayKeep ? KernelProtocol.cachesDirectory | KernelProtocol.keepsCache : 0)
        out.append(UInt32(0))
    }

    /// Appends entries, `struct fuse_dirent` or `struct fuse_direntplus`, as many as fit.
    func readDirectory(_ id: UInt64, offset: UInt64, size: Int, withAttributes: Bool) throws(ErrorNumber) {
        let handle = try handles.handle(id)
        guard let listing = handle.listing else { throw ErrorNumber(ENOTDIR) }
        let descriptor = try tree.descriptor(handle)
        try listing.seek(descriptor, to: offset)
        var left = size
        while true {
            let entry: DirectoryListing.Entry
            do throws(ErrorNumber) {
                guard let next = try listing.peek(descriptor) else { return }
                entry = next
            } catch {
                // What was appended counts as looked up, and so must arrive.
                if left < size { return }
                throw error
            }
            let length = Self.length(of: entry, withAttributes: withAttributes)
            if length > left { return }
            if withAttributes { appendEntry(of: entry, in: handle.node, descriptor) }
            append(entry, in: handle.node)
            left -= length
            listing.advance(past: entry)
        }
    }

    private static let entryHeader = 24
    private static let attributesHeader = 128

    private static func length(of entry: DirectoryListing.Entry, withAttributes: Bool) -> Int {
        (withAttributes ? attributesHeader : 0) + (entryHeader + entry.name.count + 7) & ~7
    }

    /// Appends the attributes of an entry's file; of one that is gone, or that the guest knows by other names, none.
    private func appendEntry(of entry: DirectoryListing.Entry, in parent: Node, _ descriptor: Int32) {
        var status = linux_file_status()
        guard FileName.isPlain(entry.name.bytes),
            linux_file_status_at(descriptor, entry.name.pointer, &status) == 0,
            let node = try? tree.nodes.node(of: status, entry.name, in: parent)
        else { return out.appendZeros(Self.attributesHeader) }
        appendEntry(node, status)
    }

    /// Appends `struct fuse_dirent`.
    private func append(_ entry: DirectoryListing.Entry, in parent: Node) {
        // What is above is the guest's affair.
        let isAbove = entry.name.count == 2 && !FileName.isPlain(entry.name.bytes)
        out.append(isAbove ? (parent.link?.parent ?? parent).identity.inode : entry.inode)
        out.append(entry.next)
        out.append(UInt32(entry.name.count))
        out.append(UInt32(entry.kind))
        out.append(entry.name.bytes)
        out.appendZeros((8 - (Self.entryHeader + entry.name.count) & 7) & 7)
    }
}
