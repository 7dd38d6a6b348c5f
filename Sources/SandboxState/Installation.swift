import Glibc
import LinuxSystem

/// Where the parts of Sandpiper lie.
public struct Installation: Sendable {
    /// The directory of the executables, with `guest/` below it.
    public let directory: String

    /// The installation in a directory.
    public init(in directory: String) { self.directory = directory }

    /// Finds the installation: where `SANDPIPER_EXECUTABLES` says, else beside the running executable, else where a link
    /// called `sandpiper` on the `PATH` leads to, else in `/usr/local/libexec/sandpiper`.
    public init() throws(StateError) {
        if let value = getenv("SANDPIPER_EXECUTABLES"), value.pointee != 0 {
            directory = String(cString: value)
            return
        }
        let own = try Self.ownDirectory()
        let usual = Self.isComplete(Self.usual) ? Self.usual : own
        directory = Self.isComplete(own) ? own : Self.onPath() ?? usual
    }

    /// Where `make install` installs.
    private static let usual = "/usr/local/libexec/sandpiper"

    private static func isComplete(_ directory: String) -> Bool {
        access(directory + "/sandpiper-supervisor", X_OK) == 0
    }

    private static func ownDirectory() throws(StateError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { throw .system(SystemError("readlink", "/proc/self/exe")) }
        return parent(String(decoding: buffer[..<count], as: UTF8.self))
    }

    /// The directory of the `sandpiper` on the `PATH`, links followed.
    private static func onPath() -> String? {
        guard let path = getenv("PATH").map({ String(cString: $0) }) else { return nil }
        for place in path.split(separator: ":") where place.hasPrefix("/") {
            guard let resolved = realpath("\(place)/sandpiper", nil) else { continue }
            defer { free(resolved) }
            let directory = parent(String(cString: resolved))
            if isComplete(directory) { return directory }
        }
        return nil
    }

    private static func parent(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
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
