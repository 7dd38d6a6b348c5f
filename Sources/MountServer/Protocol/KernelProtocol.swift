/// The numbers of the protocol that Linux speaks with file systems outside the kernel: `linux/fuse.h`, ABI 7.38.
enum KernelProtocol {
    static let major: UInt32 = 7
    /// The newest minor version whose messages are known here.
    static let minor: UInt32 = 38
    /// Older kernels have other layouts of some messages.
    static let oldestMinor: UInt32 = 31
    /// The node that is mounted.
    static let root: UInt64 = 1

    /// Most bytes of content in one message.
    static let mostContent = 1 << 20
    static let mostPages: UInt16 = 256
    /// `struct fuse_in_header` and `struct fuse_out_header`.
    static let requestHeader = 40
    static let replyHeader = 16
    /// Longest message taken: content with its headers, a name, and room for what a newer kernel adds.
    static let longestRequest = mostContent + (64 << 10)

    /// `FUSE_…` flags of INIT.
    struct Features: OptionSet {
        let rawValue: UInt64

        static let asynchronousReads = Features(rawValue: 1 << 0)
        static let truncatingOpen = Features(rawValue: 1 << 3)
        static let bigWrites = Features(rawValue: 1 << 5)
        static let ownUmask = Features(rawValue: 1 << 6)
        static let invalidatesByTime = Features(rawValue: 1 << 12)
        static let listsWithAttributes = Features(rawValue: 1 << 13)
        static let listsWithAttributesAdaptively = Features(rawValue: 1 << 14)
        static let asynchronousDirectAccess = Features(rawValue: 1 << 15)
        static let parallelDirectories = Features(rawValue: 1 << 18)
        static let mostPages = Features(rawValue: 1 << 22)
        static let cachesLinks = Features(rawValue: 1 << 23)
        static let clearsPrivileges = Features(rawValue: 1 << 28)
        static let moreFeatures = Features(rawValue: 1 << 30)

        /// All that are used where the kernel has them. No write-back cache: what the guest has written is on the host.
        /// No locks: the guest's kernel keeps them among the guest's processes.
        static let wanted: Features = [
            .asynchronousReads, .truncatingOpen, .bigWrites, .ownUmask, .invalidatesByTime, .listsWithAttributes,
            .listsWithAttributesAdaptively, .asynchronousDirectAccess, .parallelDirectories, .mostPages, .cachesLinks,
            .clearsPrivileges, .moreFeatures,
        ]
    }

    /// Requests by their numbers.
    enum Operation: UInt32 {
        case lookup = 1
        case forget = 2
        case getAttributes = 3
        case setAttributes = 4
        case readLink = 5
        case symbolicLink = 6
        case makeNode = 8
        case makeDirectory = 9
        case unlink = 10
        case removeDirectory = 11
        case rename = 12
        case link = 13
        case open = 14
        case read = 15
        case write = 16
        case fileSystemStatus = 17
        case release = 18
        case synchronize = 20
        case setExtendedAttribute = 21
        case getExtendedAttribute = 22
        case listExtendedAttributes = 23
        case removeExtendedAttribute = 24
        case initialize = 26
        case openDirectory = 27
        case readDirectory = 28
        case releaseDirectory = 29
        case synchronizeDirectory = 30
        case create = 35
        case interrupt = 36
        case destroy = 38
        case forgetMany = 42
        case allocate = 43
        case readDirectoryPlus = 44
        case renameWithFlags = 45
        case seek = 46
        case copyRange = 47
    }

    /// `FATTR_…`: what a request to set attributes sets.
    struct SetAttributes: OptionSet {
        let rawValue: UInt32

        static let mode = SetAttributes(rawValue: 1 << 0)
        static let user = SetAttributes(rawValue: 1 << 1)
        static let group = SetAttributes(rawValue: 1 << 2)
        static let size = SetAttributes(rawValue: 1 << 3)
        static let accessed = SetAttributes(rawValue: 1 << 4)
        static let modified = SetAttributes(rawValue: 1 << 5)
        static let handle = SetAttributes(rawValue: 1 << 6)
        static let accessedNow = SetAttributes(rawValue: 1 << 7)
        static let modifiedNow = SetAttributes(rawValue: 1 << 8)
    }

    /// `FUSE_WRITE_CACHE`: pages that the guest writes back, of a mapping for example; the handle is any of the file's.
    static let writesPages: UInt32 = 1 << 0
    /// `FUSE_FSYNC_FDATASYNC`.
    static let synchronizesDataOnly: UInt32 = 1 << 0
    /// `FOPEN_KEEP_CACHE` and `FOPEN_CACHE_DIR`.
    static let keepsCache: UInt32 = 1 << 1
    static let cachesDirectory: UInt32 = 1 << 3
    /// `FUSE_NOTIFY_INVAL_INODE`, which a message out carries in place of an error.
    static let invalidatesNode: Int32 = 2
}

/// A failure as the guest gets to see it: a number of errno(3).
struct ErrorNumber: Error, Equatable {
    let code: Int32

    init(_ code: Int32) { self.code = code }
}
