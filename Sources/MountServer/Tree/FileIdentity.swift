import CLinux

/// What tells one file of the host from all others that are or ever were: a number is used again when its file is gone,
/// but not with the same time of birth.
struct FileIdentity: Hashable {
    let device: UInt64
    let inode: UInt64
    /// 0 on a file system that keeps none.
    let bornSeconds: Int64
    let bornNanoseconds: UInt32

    init(device: UInt64, inode: UInt64, bornSeconds: Int64, bornNanoseconds: UInt32) {
        self.device = device
        self.inode = inode
        self.bornSeconds = bornSeconds
        self.bornNanoseconds = bornNanoseconds
    }

    init(_ status: linux_file_status) {
        self.init(
            device: status.device, inode: status.inode, bornSeconds: status.born,
            bornNanoseconds: status.born_nanoseconds)
    }

    func hash(into hasher: inout Hasher) {
        // Births and devices seldom tell apart what numbers do not.
        hasher.combine(inode)
        hasher.combine(bornNanoseconds)
    }
}

/// What a file is, from its mode.
enum FileKind {
    static let mask: UInt32 = 0o170000
    static let directory: UInt32 = 0o040000
    static let file: UInt32 = 0o100000
    static let link: UInt32 = 0o120000
    static let fifo: UInt32 = 0o010000
    static let socket: UInt32 = 0o140000
}
