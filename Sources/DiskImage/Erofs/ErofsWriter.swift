import LinuxSystem

/// Writes an image's metadata front to back, as its layout says.
struct ErofsWriter: ~Copyable {
    private let layout: ErofsLayout
    private var file: DataFile
    /// The metadata's length in blocks: where the layers' data begins.
    private let dataStart: UInt32

    init(_ layout: ErofsLayout, to descriptor: Descriptor) {
        self.layout = layout
        file = DataFile(descriptor)
        dataStart = UInt32(layout.length >> Int64(Block.bits))  // at most ImageLimits.metadataBytes and 1 GiB
    }

    /// Writes all; the superblock's block is given whole.
    mutating func write(superblock: [UInt8]) throws(DiskImageError) {
        try append(superblock)
        for index in layout.order { try writeInode(index) }
        try file.align()
        for index in layout.order { try writeContent(index) }
        try append(layout.attributes.shared)
        _ = try file.finish()
    }

    private mutating func writeInode(_ index: UInt32) throws(DiskImageError) {
        let inode = layout.tree.inodes[Int(index)]
        let number = layout.numbers[Int(index)]
        let body = layout.body(of: inode)
        try file.advance(to: Int64(number) * Int64(ErofsFormat.slotSize))
        let (kind, location) = contentPlace(inode)
        let words = ErofsFormat.inode(
            inode, layout: kind, attributeCount: ErofsAttributes.count(body), location: location, number: number,
            links: layout.links[Int(index)])
        try append(words)
        if !body.isEmpty { try append(body) }
        if inode.isSparse {
            try writeMap(inode)
        } else if inode.isInline, inode.isDirectory {
            var last: [UInt8] = []
            try layout.directories.forEachBlock(of: inode.place, in: layout.tree, numbers: layout.numbers) {
                last = Array($0)
            }
            try append(last)
        } else if inode.isInline {
            try append(target(of: inode))
        }
    }

    /// How an inode's content lies, and the field that says where.
    private func contentPlace(_ inode: ImageTree.Inode) -> (ErofsFormat.DataLayout, UInt32) {
        if inode.isSparse { return (.chunkBased, UInt32(inode.chunkBits)) }
        if inode.isRegular { return (.flatPlain, inode.size == 0 ? 0 : dataStart + inode.place) }
        guard inode.isDirectory || inode.isSymbolicLink else { return (.flatPlain, inode.place) }
        let block = UInt32(layout.contentStart >> Int64(Block.bits)) + inode.extent
        return (inode.isInline ? .flatInline : .flatPlain, block)
    }

    /// Writes what does not stand beside the inode: whole blocks.
    private mutating func writeContent(_ index: UInt32) throws(DiskImageError) {
        let inode = layout.tree.inodes[Int(index)]
        if inode.isDirectory, !inode.isInline || inode.size > UInt64(Block.size) {
            var left = inode.isInline ? inode.size >> UInt64(Block.bits) : .max
            var blocks: [[UInt8]] = []
            try layout.directories.forEachBlock(of: inode.place, in: layout.tree, numbers: layout.numbers) {
                if left > 0 { blocks.append(Array($0)) }
                left -= left > 0 ? 1 : 0
            }
            for block in blocks {
                try append(block)
                try file.align()
            }
        } else if inode.isSymbolicLink, !inode.isInline {
            try append(target(of: inode))
            try file.align()
        }
    }

    /// The map of a sparse file: the address of each chunk.
    private mutating func writeMap(_ inode: ImageTree.Inode) throws(DiskImageError) {
        let runs = layout.tree.runs[Int(inode.extent)..<Int(inode.extent) + Int(inode.runCount)]
        var left = ErofsLayout.chunkCount(inode)
        var address = dataStart + inode.place
        var chunk = [UInt32]()
        for run in runs {
            try writeAddresses(Int64(run.holes), &chunk) { ErofsFormat.nullAddress }
            try writeAddresses(Int64(run.data), &chunk) {
                defer { address &+= 1 << UInt32(inode.chunkBits) }
                return address
            }
            left -= Int64(run.holes) + Int64(run.data)
        }
        try writeAddresses(left, &chunk) { ErofsFormat.nullAddress }
    }

    private mutating func writeAddresses(
        _ count: Int64, _ buffer: inout [UInt32], _ next: () -> UInt32
    ) throws(DiskImageError) {
        var left = count
        while left > 0 {
            let part = min(left, 65_536)
            buffer.removeAll(keepingCapacity: true)
            for _ in 0..<part { buffer.append(next().littleEndian) }
            left -= part
            try buffer.withUnsafeBufferPointer { values throws(DiskImageError) in
                try file.append(UnsafeRawBufferPointer(values))
            }
        }
    }

    private func target(of inode: ImageTree.Inode) -> [UInt8] {
        Array(layout.tree.names[Int(inode.place)..<Int(inode.place) + Int(inode.size)])
    }

    private mutating func append(_ bytes: [UInt8]) throws(DiskImageError) {
        try bytes.withUnsafeBufferPointer { buffer throws(DiskImageError) in
            try file.append(UnsafeRawBufferPointer(buffer))
        }
    }

    private mutating func append(_ words: SIMD8<UInt64>) throws(DiskImageError) {
        var words = words
        for index in words.indices { words[index] = words[index].littleEndian }
        try withUnsafePointer(to: words) { pointer throws(DiskImageError) in
            try file.append(UnsafeRawBufferPointer(start: pointer, count: MemoryLayout<SIMD8<UInt64>>.size))
        }
    }
}
