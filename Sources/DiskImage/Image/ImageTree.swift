import Glibc

/// The file tree of an image: its layers laid over one another, in compact arrays.
///
/// A node is a name in a directory, an inode what it names. Nodes are never moved: what a layer removes is marked, and
/// with it all that is below; children always come after their parent.
struct ImageTree {
    struct Node {
        var parent: UInt32
        var nameOffset: UInt32
        var inode: UInt32
        var nameLength: UInt8
        var isRemoved = false
    }

    /// 48 bytes, the larger fields first.
    struct Inode {
        var seconds: Int64 = 0
        /// Length of a file, a link's target or a directory.
        var size: UInt64 = 0
        var nanoseconds: UInt32 = 0
        var owner: UInt32 = 0
        var group: UInt32 = 0
        /// A set of ``ImageAttributes``.
        var attributes = IndexRecord.noAttributes
        /// A file: its first block, counted over all layers' data files. A device: its number. A symbolic link: where
        /// in ``names`` its target begins. A directory: its node.
        var place: UInt32 = 0
        /// A sparse file: where in ``runs`` its runs begin. A directory or link whose content does not stand beside the
        /// inode: its first block among those that follow the inodes.
        var extent: UInt32 = 0
        /// A sparse file: how many runs it has.
        var runCount: UInt32 = 0
        /// The type and permissions, as `st_mode` has them.
        var mode: UInt16
        var chunkBits: UInt8 = 0
        private var flags: UInt8 = 0

        init(mode: UInt16) { self.mode = mode }

        var isSparse: Bool {
            get { flags & 1 != 0 }
            set { flags = newValue ? flags | 1 : flags & ~1 }
        }
        /// Whether a directory's last block, or a link's target, stands beside the inode.
        var isInline: Bool {
            get { flags & 2 != 0 }
            set { flags = newValue ? flags | 2 : flags & ~2 }
        }
        var type: UInt16 { mode & 0o170000 }
        var isDirectory: Bool { type == 0o040000 }
        var isSymbolicLink: Bool { type == 0o120000 }
        var isRegular: Bool { type == 0o100000 }
        /// What overlayfs takes for a deleted file: there is no way to show such a device through it.
        var isOverlayWhiteout: Bool { type == 0o020000 && place == 0 }
    }

    static let root: UInt32 = 0

    let limits: ImageLimits
    private(set) var nodes: [Node] = []
    var inodes: [Inode] = []
    /// Names and link targets, one after the other.
    private(set) var names: [UInt8] = []
    /// Runs of sparse files.
    private(set) var runs: [SparseLayout.Run] = []
    private(set) var attributes = ImageAttributes()
    private(set) var rootNode = ImageTree.root
    private var table: NameTable
    /// Bytes of link targets that may still be followed: what hostile layers can make us spend on links.
    private var linkBudget = 64 << 20

    /// - Parameter layers: what will be applied; sizes the arrays.
    init(expecting layers: [LayerIndex], limits: ImageLimits) {
        self.limits = limits
        var entries = 1
        var nameBytes = 0
        for layer in layers {
            entries += layer.entryCount
            nameBytes += Int(clamping: layer.header.nameBytes)
        }
        nodes.reserveCapacity(min(entries, limits.entries))
        inodes.reserveCapacity(min(entries, limits.entries))
        names.reserveCapacity(min(nameBytes, limits.metadataBytes))
        table = NameTable(capacity: min(entries, limits.entries))
        // The root, should no layer have an entry for it.
        nodes.append(Node(parent: Self.root, nameOffset: 0, inode: 0, nameLength: 0))
        inodes.append(Inode(mode: 0o040755))
    }

    /// Where in ``names`` a node's name is.
    static func name(of node: Node) -> Range<Int> {
        Int(node.nameOffset)..<Int(node.nameOffset) + Int(node.nameLength)
    }

    func inode(of node: UInt32) -> Inode { inodes[Int(nodes[Int(node)].inode)] }

    /// The node of this name in a directory.
    func child(_ parent: UInt32, _ name: UnsafeRawBufferPointer) -> UInt32? {
        guard case .found(let node, _) = find(parent, name), !nodes[Int(node)].isRemoved else { return nil }
        return node
    }

    /// Gives `parent` a child of this name; one that was there is replaced, with all that is in it.
    @discardableResult
    mutating func setChild(
        _ parent: UInt32, _ name: UnsafeRawBufferPointer, inode: UInt32
    ) throws(DiskImageError) -> UInt32 {
        let found = find(parent, name)
        if case .found(let node, let slot) = found {
            if !self.inode(of: node).isDirectory, !inodes[Int(inode)].isDirectory {
                nodes[Int(node)].inode = inode
                nodes[Int(node)].isRemoved = false
                return node
            }
            // Nodes below the old one stay below it; so the new one has to be another.
            nodes[Int(node)].isRemoved = true
            let new = try appendNode(
                Node(
                    parent: parent, nameOffset: nodes[Int(node)].nameOffset, inode: inode,
                    nameLength: nodes[Int(node)].nameLength))
            table.replace(slot, new)
            return new
        }
        let offset = try appendName(name)
        let new = try appendNode(
            Node(parent: parent, nameOffset: offset, inode: inode, nameLength: UInt8(name.count)))
        // Shared for the length of the call only, in which neither changes.
        let (nodes, names) = (nodes, names)
        table.insert(new, hash: NameTable.hash(parent, name)) { other in
            let node = nodes[Int(other)]
            return names.withUnsafeBytes { NameTable.hash(node.parent, $0.part(Self.name(of: node))) }
        }
        return new
    }

    /// Removes a node and all below it.
    mutating func remove(_ node: UInt32) { nodes[Int(node)].isRemoved = true }

    /// Removes all that is in a directory.
    mutating func empty(_ directory: UInt32) throws(DiskImageError) {
        let old = nodes[Int(directory)]
        if directory == rootNode {
            nodes[Int(directory)].isRemoved = true
            rootNode = try appendNode(Node(parent: 0, nameOffset: 0, inode: old.inode, nameLength: 0))
            nodes[Int(rootNode)].parent = rootNode
            return
        }
        let name = Array(names[Self.name(of: old)])
        try name.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            _ = try setChild(old.parent, UnsafeRawBufferPointer(buffer), inode: old.inode)
        }
    }

    mutating func appendInode(_ inode: Inode) throws(DiskImageError) -> UInt32 {
        guard inodes.count < limits.entries else { throw tooManyEntries }
        inodes.append(inode)
        return UInt32(inodes.count - 1)
    }

    /// Keeps bytes beside the names; says where.
    mutating func appendName(_ bytes: UnsafeRawBufferPointer) throws(DiskImageError) -> UInt32 {
        guard names.count + bytes.count <= min(limits.metadataBytes, Int(UInt32.max)) else {
            throw .limit("the image's names take more than \(limits.metadataBytes) bytes")
        }
        let offset = UInt32(names.count)
        names.append(contentsOf: bytes)
        return offset
    }

    /// Pays for following a link whose target has this many bytes.
    mutating func spendOnLinks(_ bytes: Int) throws(DiskImageError) {
        linkBudget -= bytes
        guard linkBudget >= 0 else { throw .limit("too many names of the image lead through symbolic links") }
    }

    /// Marks all nodes that cannot be reached, and devices that overlayfs would take for deleted files, as removed;
    /// tells each directory's inode its node. No names can be looked up from then on.
    mutating func settle() {
        table = NameTable(capacity: 0)
        for index in nodes.indices where index != Int(rootNode) {
            let node = nodes[index]
            if nodes[Int(node.parent)].isRemoved || inodes[Int(node.inode)].isOverlayWhiteout {
                nodes[index].isRemoved = true
            }
        }
        for index in nodes.indices where !nodes[index].isRemoved {
            let inode = Int(nodes[index].inode)
            if inodes[inode].isDirectory { inodes[inode].place = UInt32(index) }
        }
    }

    mutating func appendRun(_ run: SparseLayout.Run) { runs.append(run) }

    mutating func attributeSet(_ encoded: UnsafeRawBufferPointer) throws(DiskImageError) -> UInt32 {
        try attributes.number(of: Array(encoded))
    }

    private mutating func appendNode(_ node: Node) throws(DiskImageError) -> UInt32 {
        guard nodes.count < limits.entries else { throw tooManyEntries }
        nodes.append(node)
        return UInt32(nodes.count - 1)
    }

    private var tooManyEntries: DiskImageError { .limit("the image's layers have more than \(limits.entries) entries") }

    private func find(_ parent: UInt32, _ name: UnsafeRawBufferPointer) -> NameTable.Result {
        table.find(hash: NameTable.hash(parent, name)) { candidate in
            let node = nodes[Int(candidate)]
            guard node.parent == parent, Int(node.nameLength) == name.count, let base = name.baseAddress else {
                return false
            }
            return names.withUnsafeBytes { bytes in
                bytes.part(Self.name(of: node)).baseAddress.map { memcmp($0, base, name.count) == 0 } ?? false
            }
        }
    }
}
