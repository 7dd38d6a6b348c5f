import CLinux
import Glibc

/// A Landlock ruleset: once a process is restricted by it, the file system, TCP ports, abstract sockets and the signals
/// of other processes are out of its reach but for what was allowed here. See landlock(7).
public final class Landlock: Sendable {
    /// What may be done with a file or below a directory; the kernel's bits of `LANDLOCK_ACCESS_FS_…`.
    public struct Rights: OptionSet, Sendable {
        /// The kernel's bits.
        public let rawValue: UInt64

        /// Rights from the kernel's bits.
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Run the file.
        public static let execute = Rights(rawValue: 1 << 0)
        /// Open the file for writing.
        public static let writeFile = Rights(rawValue: 1 << 1)
        /// Open the file for reading.
        public static let readFile = Rights(rawValue: 1 << 2)
        /// List the directory.
        public static let readDirectory = Rights(rawValue: 1 << 3)
        /// Remove, make and rename everything but devices, and change lengths; moves from one directory into another
        /// are known from ABI 2 on, and denied before whatever is allowed.
        public static let changeTree = Rights(rawValue: 0b0011_0111_1011_0000)
        /// Change the file's length; known from ABI 3 on, allowed before.
        public static let truncate = Rights(rawValue: 1 << 14)
        /// Device-specific ioctl(2) commands; known from ABI 5 on, allowed before.
        public static let deviceControl = Rights(rawValue: 1 << 15)

        /// Every right that a kernel with this ABI knows, and so can deny.
        static func known(to abi: Int) -> Rights {
            switch abi {
            case 1: Rights(rawValue: 1 << 13 - 1)
            case 2: Rights(rawValue: 1 << 14 - 1)
            case 3, 4: Rights(rawValue: 1 << 15 - 1)
            default: Rights(rawValue: 1 << 16 - 1)
            }
        }
    }

    /// The newest interface of the running kernel; `nil` where the kernel has no Landlock or it is switched off.
    public static var kernelABI: Int? {
        let abi = linux_landlock_abi()
        return abi > 0 ? Int(abi) : nil
    }

    /// The interface in use, from 1.
    public let abi: Int
    let descriptor: Descriptor
    private let known: Rights

    /// A ruleset that denies everything this kernel can deny.
    /// - Throws: ``SystemError``; `ENOSYS` or `EOPNOTSUPP` without Landlock.
    public init() throws(SystemError) {
        let abi = Int(linux_landlock_abi())
        guard abi > 0 else { throw SystemError("create a Landlock ruleset") }
        self.abi = abi
        known = .known(to: abi)
        let network: UInt64 = abi >= 4 ? 0b11 : 0  // bind and connect TCP
        let scopes: UInt64 = abi >= 6 ? 0b11 : 0  // abstract sockets and signals
        let size: UInt = abi >= 6 ? 24 : abi >= 4 ? 16 : 8
        let number = linux_landlock_create(known.rawValue, network, scopes, size)
        guard number >= 0 else { throw SystemError("create a Landlock ruleset") }
        descriptor = Descriptor(owning: number)
    }

    /// Allows `rights` on an open file, or on an open directory and all below it.
    public func allow(_ rights: Rights, on file: Descriptor) throws(SystemError) {
        guard linux_landlock_allow(descriptor.rawValue, file.rawValue, rights.intersection(known).rawValue) == 0 else {
            throw SystemError("add a Landlock rule")
        }
    }

    /// Allows `rights` on what has this path. Nothing happens when there is no such file.
    /// - Returns: whether the file was there.
    @discardableResult
    public func allow(_ rights: Rights, path: String) throws(SystemError) -> Bool {
        let file: Descriptor
        do { file = try Descriptor(opening: path, linux_open_path) } catch {
            if error.number == ENOENT || error.number == ENOTDIR { return false }
            throw error
        }
        try allow(rights, on: file)
        return true
    }

    /// Restricts the calling process, which must have given up new privileges, for good.
    public func restrictProcess() throws(SystemError) {
        guard linux_wall_landlock(descriptor.rawValue) == 0 else {
            throw SystemError("restrict the process by Landlock")
        }
    }
}
