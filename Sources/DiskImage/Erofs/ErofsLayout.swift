/// Where everything of an image's metadata lies, worked out before the first byte is written.
struct ErofsLayout {
    private(set) var tree: ImageTree
    let directories: ErofsDirectories
    let attributes: ErofsAttributes
    /// The inodes that are in use, in the order in which they lie: each directory's children together.
    private(set) var order: [UInt32] = []
    /// For each inode its number in the file system (nid), and its names.
    private(set) var numbers: [UInt32]
    private(set) var links: [UInt32]
    /// In bytes: where content that does not stand beside its inode begins, then the shared attributes; the whole.
    private(set) var contentStart: Int64 = 0
    private(set) var attributesStart: Int64 = 0
    private(set) var length: Int64 = 0
    private(set) var hasSparseFiles = false

    /// A tail that may be moved to the next block for the sake of standing beside its inode.
    private static let longestMovedTail = 1024

    init(_ merged: consuming ImageTree) throws(DiskImageError) {
        merged.settle()
        tree = consume merged
        directories = ErofsDirectories(tree)
        numbers = [UInt32](repeating: 0, count: tree.inodes.count)
        links = [UInt32](repeating: 0, count: tree.inodes.count)
        order.reserveCapacity(tree.nodes.count)
        var uses = [UInt32](repeating: 0, count: tree.attributes.sets.count)
        Self.visit(tree, directories, &order, &links, &uses)
        attributes = try ErofsAttributes(tree.attributes.sets, uses: uses)
        try place()
    }

    /// The first inode in the file is the root: its number has only 16 bits in the superblock.
    var rootNumber: UInt16 { UInt16(truncatingIfNeeded: numbers[Int(tree.nodes[Int(tree.rootNode)].inode)]) }

    func body(of inode: ImageTree.Inode) -> [UInt8] {
        inode.attributes == IndexRecord.noAttributes ? [] : attributes.bodies[Int(inode.attributes)]
    }

    /// Orders the inodes, counts their names, and the uses of each set of attributes.
    private static func visit(
        _ tree: ImageTree, _ directories: ErofsDirectories, _ order: inout [UInt32], _ links: inout [UInt32],
        _ uses: inout [UInt32]
    ) {
        let root = tree.nodes[Int(tree.rootNode)].inode
        order.append(root)
        links[Int(root)] = 2
        var next = 0
        while next < order.count {
            let index = Int(order[next])
            let inode = tree.inodes[index]
            next += 1
            if inode.attributes != IndexRecord.noAttributes { uses[Int(inode.attributes)] += 1 }
            guard inode.isDirectory else { continue }
            for child in directories.children(of: inode.place) {
                let number = tree.nodes[Int(child)].inode
                if links[Int(number)] == 0 { order.append(number) }
                if tree.inodes[Int(number)].isDirectory {
                    links[Int(number)] = 2
                    links[index] += 1
                } else {
                    links[Int(number)] += 1
                }
            }
        }
    }

    private mutating func place() throws(DiskImageError) {
        var position = Int64(Block.size)
        var contentBlocks: Int64 = 0
        for index in order {
            var inode = tree.inodes[Int(index)]
            if inode.isDirectory { inode.size = UInt64(directories.size(of: inode.place, in: tree)) }
            let head = Int64(ErofsFormat.inodeSize + body(of: inode).count)
            position = (position + Int64(ErofsFormat.slotSize - 1)) & ~Int64(ErofsFormat.slotSize - 1)
            var beside: Int64 = 0
            if inode.isDirectory || inode.isSymbolicLink {
                let tail = Int64(inode.size) & Int64(Block.size - 1)
                (inode.isInline, position) = Self.placeTail(tail, after: head, at: position)
                if inode.isInline { beside = tail }
                inode.extent = UInt32(contentBlocks)
                contentBlocks += Block.roundUp(Int64(inode.size) - beside) >> Int64(Block.bits)
            } else if inode.isSparse {
                beside = Self.chunkCount(inode) * 4
                hasSparseFiles = true
            }
            tree.inodes[Int(index)] = inode
            numbers[Int(index)] = UInt32(position / Int64(ErofsFormat.slotSize))
            position += head + beside
            guard position + contentBlocks << Int64(Block.bits) <= Int64(tree.limits.metadataBytes) else {
                throw .limit("the image's metadata takes more than \(tree.limits.metadataBytes) bytes")
            }
        }
        contentStart = Block.roundUp(position)
        attributesStart = contentStart + contentBlocks << Int64(Block.bits)
        length = attributesStart + Block.roundUp(Int64(attributes.shared.count))
    }

    /// Whether a tail can stand beside an inode, in one block as EROFS demands, and where the inode then begins.
    private static func placeTail(_ tail: Int64, after head: Int64, at position: Int64) -> (Bool, Int64) {
        let size = Int64(Block.size)
        guard tail > 0 else { return (false, position) }
        if (position + head) % size + tail <= size { return (true, position) }
        let next = Block.roundUp(position)
        if tail <= Int64(longestMovedTail), head % size + tail <= size { return (true, next) }
        return (false, position)
    }

    /// Entries in the map of a sparse file.
    static func chunkCount(_ inode: ImageTree.Inode) -> Int64 {
        if inode.size == 0 { return 0 }
        return Int64((inode.size - 1) >> UInt64(Block.bits + Int(inode.chunkBits)) + 1)
    }
}
