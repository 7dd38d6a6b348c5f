import AgentProtocol
import CAgent
import Glibc

/// A mount that is being made, by a child: what its path leads through may be a file system that this process serves.
final class MountStart {
    let mount: GuestMount
    /// What the file system is spoken to through; `nil` for one in memory.
    let device: Descriptor?
    /// Readable when the child has said how it went.
    let report: Descriptor

    /// Starts the child.
    init(_ mount: GuestMount, _ device: Descriptor?) throws(AgentError) {
        self.mount = mount
        self.device = device
        let (reading, writing) = try Descriptor.pipe()
        report = reading
        let child = agent_fork()
        guard child != 0 else { MountStart.run(mount, device, writing) }
        guard child > 0 else { throw .system("start a process that mounts \(mount.target)", errno) }
    }

    /// What can come of it.
    enum Outcome {
        /// It is in place; the number of its file system.
        case placed(String)
        case failed(String)
    }

    /// What came of it; `nil` when that is not known yet.
    func outcome() -> Outcome? {
        var said = [UInt8](repeating: 0, count: 4096)
        let count = said.withUnsafeMutableBytes { read(report.number, $0.baseAddress, $0.count) }
        if count < 0 && (errno == EAGAIN || errno == EINTR) { return nil }
        guard count > 0 else { return .failed("cannot mount at \(mount.target): the process that does it has ended") }
        return said[0] == MountStart.done
            ? .placed(String(decoding: said[1..<count], as: UTF8.self))
            : .failed(String(decoding: said[..<count], as: UTF8.self))
    }

    private static let done: UInt8 = 0

    /// What the child does.
    private static func run(_ mount: GuestMount, _ device: Descriptor?, _ report: Descriptor) -> Never {
        var answer = [done]
        do throws(AgentError) {
            answer += Array(try place(mount, device, staysOnMount: false).utf8)
        } catch {
            answer = Array("\(error)".utf8.prefix(4000))
        }
        _ = answer.withUnsafeBytes { write(report.number, $0.baseAddress, $0.count) }
        _exit(0)
    }

    /// Mounts.
    /// - Parameter staysOnMount: whether to fail where the path leads into another mount, which never waits then.
    /// - Returns: the number of the file system that is served, as in /sys/class/bdi; empty when there is none.
    static func place(
        _ mount: GuestMount, _ device: Descriptor?, staysOnMount: Bool
    ) throws(AgentError) -> String {
        // Modes are what the mount says.
        let mask = umask(0)
        defer { umask(mask) }
        let root = RootDirectory(try Descriptor.open("/", O_PATH | O_DIRECTORY))
        let target =
            mount.kind == .file
            ? try root.makeFile(mount.target, staysOnMount: staysOnMount)
            : try root.makeDirectories(mount.target, staysOnMount: staysOnMount)
        var options = mount.options
        if let device {
            let kind = mount.kind == .file ? S_IFREG : S_IFDIR
            options =
                "fd=\(device.number),rootmode=\(String(kind, radix: 8)),user_id=0,group_id=0,default_permissions,allow_other"
                + (options.isEmpty ? "" : ",\(options)")
        }
        var prepared = FileSystemMount(
            type: device == nil ? "tmpfs" : "fuse", source: device == nil ? "tmpfs" : "sandpiper",
            target: mount.target, options: options, readOnly: mount.readOnly)
        // What was found, whatever its path leads to by the time of the call.
        prepared.target = "/proc/self/fd/\(target.number)"
        do throws(AgentError) {
            try prepared.mount()
        } catch .system(_, let code) {
            throw .system("mount at \(mount.target)", code)
        }
        guard device != nil else { return "" }
        var (major, minor) = (UInt32(0), UInt32(0))
        guard agent_device_of(mount.target, &major, &minor) == 0 else { return "" }
        return "\(major):\(minor)"
    }
}
