import Glibc
import LinuxSystem

/// Where the parts of Sandpiper lie: beside the running executable, wherever that is.
public struct Installation: Sendable {
    private let directory: String

    /// Finds the directory of the running executable.
    public init() throws(StateError) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { throw .system(SystemError("readlink", "/proc/self/exe")) }
        let executable = String(decoding: buffer[..<count], as: UTF8.self)
        directory = executable.lastIndex(of: "/").map { String(executable[..<$0]) } ?? "/"
    }

    /// The path of an executable of this installation.
    public func executable(_ name: String) throws(StateError) -> String { try existing(directory + "/" + name, name) }

    /// Where the guest kernel is looked for: `SANDPIPER_KERNEL`, or `guest/vmlinux`.
    public var kernelPath: String { guestFile("SANDPIPER_KERNEL", "vmlinux") }

    /// Where the initramfs with the agent is looked for: `SANDPIPER_INITRAMFS`, or `guest/initramfs.cpio`.
    public var initramfsPath: String { guestFile("SANDPIPER_INITRAMFS", "initramfs.cpio") }

    /// The guest kernel.
    public func kernel() throws(StateError) -> String { try existing(kernelPath, "guest kernel") }

    /// The initramfs.
    public func initramfs() throws(StateError) -> String { try existing(initramfsPath, "guest initramfs") }

    private func guestFile(_ variable: String, _ name: String) -> String {
        if let value = getenv(variable), value.pointee != 0 { return String(cString: value) }
        return "\(directory)/guest/\(name)"
    }

    private func existing(_ path: String, _ what: String) throws(StateError) -> String {
        guard access(path, R_OK) == 0 else { throw .notInstalled(what: what, looked: path) }
        return path
    }
}
