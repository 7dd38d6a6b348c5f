import LinuxSystem

/// The read-only disk of an image: an EROFS file system whose metadata is computed from the layers' indexes, and whose
/// file contents are the layers' data files, untouched.
///
/// The device is the metadata file followed by the data files of all layers, the lowest first. Each part is a multiple
/// of 4096 bytes long. The file system uses no feature beyond Linux 5.15 and mounts without `CONFIG_EROFS_FS_ZIP`.
///
/// It is made to be the lower side of an overlayfs: extended attributes `trusted.overlay.*` found in a layer are stored
/// escaped, so that the overlay shows them and does not obey them, and character devices 0:0, which overlayfs cannot
/// show, are left out.
public enum ImageDisk {
    /// Writes the metadata of an image.
    ///
    /// The same layers always give the same bytes. Blocks while it works; takes about 120 bytes of memory for each
    /// entry of the layers.
    /// - Parameters:
    ///   - layers: the indexes of the image's layers, the lowest first; at least none.
    ///   - file: an empty file, open for writing.
    ///   - limits: how much the image may cost.
    /// - Returns: the metadata's length in bytes, a multiple of 4096. The whole device is that and the sum of the
    ///   layers' ``LayerIndex/dataLength`` long.
    /// - Throws: ``DiskImageError``.
    public static func write(
        layers: [LayerIndex], to file: Descriptor, limits: ImageLimits = .init()
    ) throws(DiskImageError) -> Int64 {
        var tree = ImageTree(expecting: layers, limits: limits)
        var dataBlocks: Int64 = 0
        for layer in layers {
            let next = dataBlocks + layer.dataLength >> Int64(Block.bits)
            guard next < Int64(UInt32.max) else { throw tooLong }
            try tree.apply(layer, dataBlock: UInt32(dataBlocks))
            dataBlocks = next
        }
        let layout = try ErofsLayout(consume tree)
        let blocks = layout.length >> Int64(Block.bits) + dataBlocks
        guard blocks < Int64(UInt32.max) else { throw tooLong }
        let superblock = superblock(of: layout, blocks: UInt32(blocks), uuid: ContentFingerprint.of(layers))
        let length = layout.length
        var writer = ErofsWriter(layout, to: file)
        try writer.write(superblock: superblock)
        return length
    }

    private static var tooLong: DiskImageError {
        .limit("the image's layers have more than \(Block.addressable) bytes, which EROFS cannot address")
    }

    /// Block 0: `struct erofs_super_block` at byte 1024.
    private static func superblock(of layout: ErofsLayout, blocks: UInt32, uuid: [UInt8]) -> [UInt8] {
        var fields: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { fields.append(contentsOf: $0) }
        }
        append(ErofsFormat.magic)
        append(UInt32(0))  // checksum, below
        append(ErofsFormat.compatible)
        append(UInt8(Block.bits))
        append(UInt8(0))  // extension slots
        append(layout.rootNumber)
        append(UInt64(layout.order.count))
        append(UInt64(0))  // build time, for compact inodes only
        append(UInt32(0))
        append(blocks)
        append(UInt32(0))  // inode numbers count from here
        append(UInt32(layout.attributesStart >> Int64(Block.bits)))
        fields += uuid
        fields += [UInt8](repeating: 0, count: 16)  // name
        append(layout.hasSparseFiles ? ErofsFormat.chunkedFile : UInt32(0))
        var block = [UInt8](repeating: 0, count: ErofsFormat.superblockOffset) + fields
        block += [UInt8](repeating: 0, count: Block.size - block.count)
        let checksum = ErofsFormat.checksum(block[ErofsFormat.superblockOffset...])
        for index in 0..<4 {
            block[ErofsFormat.superblockOffset + 4 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(index * 8))
        }
        return block
    }
}
