import Tar

/// Finding a directory by its path, through symbolic links, inside the image.
extension ImageTree {
    /// Symbolic links followed for one path, as in Linux.
    private static let maximumLinks = 40

    /// The directory of this path.
    ///
    /// - Parameter makingDirectories: make what is missing, with mode 0755, owned by root, time 0.
    /// - Returns: `nil` when something is missing, or is no directory.
    mutating func resolve(
        _ path: UnsafeRawBufferPointer, makingDirectories: Bool
    ) throws(DiskImageError) -> UInt32? {
        var position = Position(directory: rootNode, linksLeft: Self.maximumLinks)
        return try walk(path, &position, makingDirectories) ? position.directory : nil
    }

    private struct Position {
        var directory: UInt32
        var linksLeft: Int
    }

    /// Walks on from a position; `false` when there is no way. Goes deeper only for links, at most ``maximumLinks`` deep.
    private mutating func walk(
        _ path: UnsafeRawBufferPointer, _ position: inout Position, _ makingDirectories: Bool
    ) throws(DiskImageError) -> Bool {
        var start = 0
        while start < path.count {
            let end = path[start...].firstIndex(of: EntryPath.slash) ?? path.count
            let name = path.part(start..<end)
            start = end + 1
            if name.isEmpty || name.equals(".") { continue }
            if name.equals("..") {
                position.directory = nodes[Int(position.directory)].parent
                continue
            }
            guard try step(name, &position, makingDirectories) else { return false }
        }
        return true
    }

    private mutating func step(
        _ name: UnsafeRawBufferPointer, _ position: inout Position, _ makingDirectories: Bool
    ) throws(DiskImageError) -> Bool {
        guard let node = child(position.directory, name) else {
            guard makingDirectories, name.count <= EntryPath.maximumNameLength else { return false }
            position.directory = try setChild(
                position.directory, name, inode: appendInode(Inode(mode: 0o040755)))
            return true
        }
        let inode = inode(of: node)
        if inode.isDirectory {
            position.directory = node
            return true
        }
        guard inode.isSymbolicLink else { return false }
        guard position.linksLeft > 0 else { throw .entry(name, "too many symbolic links lead to one another") }
        position.linksLeft -= 1
        try spendOnLinks(Int(inode.size))
        let target = Array(names[Int(inode.place)..<Int(inode.place) + Int(inode.size)])
        if target.first == EntryPath.slash { position.directory = rootNode }
        return try target.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try walk(UnsafeRawBufferPointer(buffer), &position, makingDirectories)
        }
    }
}
