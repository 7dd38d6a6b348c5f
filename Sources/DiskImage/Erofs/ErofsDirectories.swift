import Glibc

/// The directories of a settled tree as EROFS stores them: names in the order of their bytes, in blocks of their own.
struct ErofsDirectories {
    /// Where in ``children`` each node's begin.
    private let starts: [UInt32]
    /// All living nodes but the root, by directory and name.
    private let children: [UInt32]

    init(_ tree: ImageTree) {
        var starts = [UInt32](repeating: 0, count: tree.nodes.count + 1)
        let isChild = { (index: Int) in !tree.nodes[index].isRemoved && index != Int(tree.rootNode) }
        for index in tree.nodes.indices where isChild(index) { starts[Int(tree.nodes[index].parent) + 1] += 1 }
        for index in tree.nodes.indices { starts[index + 1] += starts[index] }
        var children = [UInt32](repeating: 0, count: Int(starts.last ?? 0))
        // Fills each directory's part from its start; the starts move on meanwhile and are moved back after.
        for index in tree.nodes.indices where isChild(index) {
            let parent = Int(tree.nodes[index].parent)
            children[Int(starts[parent])] = UInt32(index)
            starts[parent] += 1
        }
        for index in tree.nodes.indices.reversed() { starts[index + 1] = starts[index] }
        starts[0] = 0
        tree.names.withUnsafeBytes { names in
            tree.nodes.withUnsafeBufferPointer { nodes in
                children.withUnsafeMutableBufferPointer { children in
                    for index in nodes.indices where starts[index + 1] - starts[index] > 1 {
                        children[Int(starts[index])..<Int(starts[index + 1])].sort { left, right in
                            Self.precedes(
                                names.part(ImageTree.name(of: nodes[Int(left)])),
                                names.part(ImageTree.name(of: nodes[Int(right)])))
                        }
                    }
                }
            }
        }
        self.starts = starts
        self.children = children
    }

    /// The nodes in a directory, sorted by name.
    func children(of node: UInt32) -> ArraySlice<UInt32> {
        children[Int(starts[Int(node)])..<Int(starts[Int(node) + 1])]
    }

    /// The length of a directory: whole blocks but for the last.
    func size(of node: UInt32, in tree: ImageTree) -> Int {
        var blocks = 0
        var used = 0
        forEachEntry(of: node, in: tree) { name, _ in
            let needed = ErofsFormat.directoryEntrySize + name.count
            if used + needed > Block.size {
                blocks += 1
                used = 0
            }
            used += needed
        }
        return blocks * Block.size + used
    }

    /// Hands out the blocks of a directory in order; each call gets the bytes that are in use.
    func forEachBlock(
        of node: UInt32, in tree: ImageTree, numbers: [UInt32],
        _ body: (UnsafeRawBufferPointer) throws(DiskImageError) -> Void
    ) throws(DiskImageError) {
        var entries: [(name: UnsafeRawBufferPointer, inode: UInt32)] = []
        var used = 0
        var blocks: [[UInt8]] = []
        let close = {
            blocks.append(Self.block(entries, used, tree, numbers))
            entries.removeAll(keepingCapacity: true)
            used = 0
        }
        // The names stay where they are: the tree does not change meanwhile.
        forEachEntry(of: node, in: tree) { name, inode in
            let needed = ErofsFormat.directoryEntrySize + name.count
            if used + needed > Block.size { close() }
            entries.append((name, inode))
            used += needed
        }
        close()
        for block in blocks {
            try block.withUnsafeBufferPointer { buffer throws(DiskImageError) in
                try body(UnsafeRawBufferPointer(buffer))
            }
        }
    }

    private static func block(
        _ entries: [(name: UnsafeRawBufferPointer, inode: UInt32)], _ used: Int, _ tree: ImageTree, _ numbers: [UInt32]
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: used) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            var nameOffset = entries.count * ErofsFormat.directoryEntrySize
            for (index, entry) in entries.enumerated() {
                let offset = index * ErofsFormat.directoryEntrySize
                bytes.storeBytes(
                    of: UInt64(numbers[Int(entry.inode)]).littleEndian, toByteOffset: offset, as: UInt64.self)
                bytes.storeBytes(of: UInt16(nameOffset).littleEndian, toByteOffset: offset + 8, as: UInt16.self)
                bytes[offset + 10] = ErofsFormat.fileType(tree.inodes[Int(entry.inode)].type)
                bytes[offset + 11] = 0
                UnsafeMutableRawBufferPointer(rebasing: bytes[nameOffset..<nameOffset + entry.name.count]).copyMemory(
                    from: entry.name)
                nameOffset += entry.name.count
            }
            count = used
        }
    }

    /// All entries in the order of their names, `.` and `..` among them.
    private func forEachEntry(
        of node: UInt32, in tree: ImageTree, _ body: (UnsafeRawBufferPointer, UInt32) -> Void
    ) {
        let parent = tree.nodes[Int(tree.nodes[Int(node)].parent)]
        let dots: StaticString = ".."
        // A static string's bytes live for ever.
        let own = (UnsafeRawBufferPointer(start: dots.utf8Start, count: 1), tree.nodes[Int(node)].inode)
        let above = (UnsafeRawBufferPointer(start: dots.utf8Start, count: 2), parent.inode)
        var special = [own, above][...]
        tree.names.withUnsafeBytes { names in
            for child in children(of: node) {
                let child = tree.nodes[Int(child)]
                let name = names.part(ImageTree.name(of: child))
                while let first = special.first, Self.precedes(first.0, name) {
                    body(first.0, first.1)
                    special.removeFirst()
                }
                body(name, child.inode)
            }
            for (name, inode) in special { body(name, inode) }
        }
    }

    private static func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else {
            return left.count < right.count
        }
        let order = memcmp(leftBase, rightBase, min(left.count, right.count))
        return order == 0 ? left.count < right.count : order < 0
    }
}
