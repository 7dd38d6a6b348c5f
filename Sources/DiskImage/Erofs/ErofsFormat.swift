/// The on-disk format of EROFS as `fs/erofs/erofs_fs.h` of Linux 6.12 has it; what of it we write.
///
/// Blocks have 4096 bytes. Block 0 holds the superblock; inodes begin in block 1, their content, where it does not
/// stand beside them, follows, then the shared extended attributes. An inode's number (nid) is its offset divided by 32.
enum ErofsFormat {
    static let magic: UInt32 = 0xe0f5_e1e2
    static let superblockOffset = 1024
    static let superblockSize = 128
    /// EROFS_FEATURE_COMPAT_SB_CHKSUM and EROFS_FEATURE_COMPAT_MTIME.
    static let compatible: UInt32 = 0x3
    /// EROFS_FEATURE_INCOMPAT_CHUNKED_FILE.
    static let chunkedFile: UInt32 = 0x4

    static let inodeSize = 64
    static let slotSize = 32
    static let directoryEntrySize = 12

    /// How an inode's content lies.
    enum DataLayout: UInt16 {
        case flatPlain = 0
        case flatInline = 2
        case chunkBased = 4
    }

    /// A chunk without data.
    static let nullAddress = UInt32.max

    /// The type of a directory entry for the type of a file (`fs_umode_to_ftype`).
    static func fileType(_ type: UInt16) -> UInt8 {
        switch type {
        case 0o100000: 1
        case 0o040000: 2
        case 0o020000: 3
        case 0o060000: 4
        case 0o010000: 5
        case 0o140000: 6
        case 0o120000: 7
        default: 0
        }
    }

    /// An extended inode (`struct erofs_inode_extended`) as eight little-endian words.
    static func inode(
        _ inode: ImageTree.Inode, layout: DataLayout, attributeCount: UInt16, location: UInt32, number: UInt32,
        links: UInt32
    ) -> SIMD8<UInt64> {
        SIMD8(
            UInt64(layout.rawValue << 1 | 1) | UInt64(attributeCount) << 16 | UInt64(inode.mode) << 32,
            inode.size,
            UInt64(location) | UInt64(number) << 32,
            UInt64(inode.owner) | UInt64(inode.group) << 32,
            UInt64(bitPattern: inode.seconds),
            UInt64(inode.nanoseconds) | UInt64(links) << 32,
            0, 0)
    }

    /// The checksum that the kernel wants over the superblock and the rest of its block (CRC-32C without the final
    /// inversion).
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 0 ? 0 : 0x82f6_3b78) }
        }
        return crc
    }
}
