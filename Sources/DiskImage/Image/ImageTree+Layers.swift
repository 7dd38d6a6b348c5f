import Tar

/// Laying a layer over those below it (OCI image specification, "Applying Changesets").
///
/// First all removals take effect, on what the layers below have, then the entries in their order. Where the parent of
/// an entry is a symbolic link, in this layer or a lower one, the entry goes to the directory the link leads to *inside
/// the image*: an absolute target starts at the image's root, `..` stops there. Missing parents are made. The last
/// component of a name is never followed.
extension ImageTree {
    /// Applies one layer.
    /// - Parameter dataBlock: where the layer's data file begins, in blocks, counted over all data files.
    mutating func apply(_ layer: LayerIndex, dataBlock: UInt32) throws(DiskImageError) {
        try layer.encoded.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            let bytes = UnsafeRawBufferPointer(buffer)
            try applyRemovals(IndexReader(bytes, layer.removals))
            var sets: [UInt32] = []
            var setReader = IndexReader(bytes, layer.attributeSets)
            while let range = try setReader.nextAttributes() { sets.append(try attributeSet(bytes.part(range))) }
            var walk = LayerWalk(bytes: bytes, attributeSets: sets, dataBlock: dataBlock)
            var reader = IndexReader(bytes, layer.records)
            while let record = try reader.next() { try apply(record, &walk) }
        }
    }

    /// What is kept between the records of a layer.
    private struct LayerWalk {
        let bytes: UnsafeRawBufferPointer
        let attributeSets: [UInt32]
        let dataBlock: UInt32
        var path: [UInt8] = []
        /// The directory of the last entry: the length of its path, slash included, and its node. Valid until a
        /// directory or a symbolic link is replaced.
        var directoryLength = -1
        var directory: UInt32 = 0
    }

    private mutating func applyRemovals(_ removals: IndexReader) throws(DiskImageError) {
        var reader = removals
        while let (opaque, range) = try reader.nextRemoval() {
            let path = reader.bytes.part(range)
            if opaque {
                if let directory = try resolve(path, makingDirectories: false), inode(of: directory).isDirectory {
                    try empty(directory)
                }
                continue
            }
            let length = EntryPath.directoryLength(path)
            if let directory = try resolve(path.part(0..<length), makingDirectories: false),
                let node = child(directory, path.part(length..<path.count))
            {
                remove(node)
            }
        }
    }

    private mutating func apply(_ record: IndexRecord, _ walk: inout LayerWalk) throws(DiskImageError) {
        walk.path.removeSubrange(min(record.sharedPath, walk.path.count)...)
        walk.path.append(contentsOf: walk.bytes[record.path])
        // Moved out and back, so that it can be read while the walk changes.
        var path: [UInt8] = []
        swap(&path, &walk.path)
        defer { swap(&path, &walk.path) }
        try path.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try apply(record, UnsafeRawBufferPointer(buffer), &walk)
        }
    }

    private mutating func apply(
        _ record: IndexRecord, _ path: UnsafeRawBufferPointer, _ walk: inout LayerWalk
    ) throws(DiskImageError) {
        if path.isEmpty {
            let root = Int(nodes[Int(rootNode)].inode)
            inodes[root] = try makeInode(record, walk)
            return
        }
        let length = EntryPath.directoryLength(path)
        if walk.directoryLength != length || record.sharedPath < length {
            guard let directory = try resolve(path.part(0..<length), makingDirectories: true) else {
                throw .entry(path, "its parent is no directory")
            }
            walk.directoryLength = length
            walk.directory = directory
        }
        let name = path.part(length..<path.count)
        let existing = child(walk.directory, name)
        // Whatever led through what is replaced has to be looked up again.
        if let existing, !inode(of: existing).isRegular { walk.directoryLength = -1 }
        if record.kind == .hardLink {
            let target = try linkTarget(walk.bytes.part(record.target), of: path)
            if target == existing { return }
            try setChild(walk.directory, name, inode: nodes[Int(target)].inode)
        } else if record.kind == .directory, let existing, inode(of: existing).isDirectory {
            inodes[Int(nodes[Int(existing)].inode)] = try makeInode(record, walk)
            return
        } else {
            try setChild(walk.directory, name, inode: appendInode(makeInode(record, walk)))
        }
    }

    /// What a hard link names: a file of this layer or a lower one that is there by now.
    private mutating func linkTarget(
        _ target: UnsafeRawBufferPointer, of path: UnsafeRawBufferPointer
    ) throws(DiskImageError) -> UInt32 {
        let length = EntryPath.directoryLength(target)
        guard let directory = try resolve(target.part(0..<length), makingDirectories: false),
            let node = child(directory, target.part(length..<target.count))
        else { throw .entry(path, "a hard link to '\(DiskImageError.printable(target))', which is not there") }
        guard !inode(of: node).isDirectory else {
            throw .entry(path, "a hard link to '\(DiskImageError.printable(target))', which is a directory")
        }
        return node
    }

    private mutating func makeInode(_ record: IndexRecord, _ walk: LayerWalk) throws(DiskImageError) -> Inode {
        var inode = Inode(mode: record.permissions & 0o7777)
        inode.owner = record.owner
        inode.group = record.group
        inode.seconds = record.seconds
        inode.nanoseconds = record.nanoseconds
        if record.attributes != IndexRecord.noAttributes {
            guard Int(record.attributes) < walk.attributeSets.count else {
                throw .damagedIndex("an entry's attributes are missing")
            }
            inode.attributes = walk.attributeSets[Int(record.attributes)]
        }
        switch record.kind {
        case .directory: inode.mode |= 0o040000
        case .file, .sparseFile:
            inode.mode |= 0o100000
            inode.size = record.size
            inode.place = walk.dataBlock &+ record.block  // the sum over all layers was checked
            if record.kind == .sparseFile { try readRuns(record, walk, into: &inode) }
        case .symbolicLink:
            inode.mode = 0o120777  // as Linux has it for every symbolic link
            inode.size = UInt64(record.target.count)
            inode.place = try appendName(walk.bytes.part(record.target))
        case .characterDevice, .blockDevice:
            inode.mode |= record.kind == .characterDevice ? 0o020000 : 0o060000
            // new_encode_dev() of Linux.
            inode.place = record.minor & 0xff | record.major << 8 | (record.minor & ~0xff) << 12
        case .fifo: inode.mode |= 0o010000
        case .hardLink: break  // has no inode of its own
        }
        return inode
    }

    private mutating func readRuns(
        _ record: IndexRecord, _ walk: LayerWalk, into inode: inout Inode
    ) throws(DiskImageError) {
        inode.isSparse = true
        inode.chunkBits = record.chunkBits
        inode.extent = UInt32(truncatingIfNeeded: runs.count)
        var reader = IndexReader(walk.bytes, record.runs)
        while !reader.isAtEnd {
            appendRun(
                SparseLayout.Run(holes: try reader.integer(UInt32.self), data: try reader.integer(UInt32.self)))
            inode.runCount += 1
        }
        guard runs.count < Int(UInt32.max) else { throw .limit("the image's sparse files have too many pieces") }
    }
}
