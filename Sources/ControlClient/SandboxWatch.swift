import Glibc
import LinuxSystem
import SandboxState

/// Watches a sandbox's supervisor without being a client of it, which would keep an idle sandbox awake.
public struct SandboxWatch: Sendable {
    /// Readable when the supervisor has ended.
    public let supervisor: Descriptor

    /// Watches the supervisor; `nil` when the sandbox has none.
    public init?(_ directory: SandboxDirectory) {
        guard directory.isOwned, let life = try? RecordFile.read(SandboxLife.self, from: directory.life),
            let pid = life.supervisor, let process = try? Descriptor.process(pid),
            // Still the same: the number was not given to another process meanwhile.
            directory.isOwned, (try? RecordFile.read(SandboxLife.self, from: directory.life))?.supervisor == pid
        else { return nil }
        supervisor = process
    }

    /// Blocks until the supervisor has ended.
    public func waitForEnd() throws(SystemError) {
        var wait = pollfd(fd: supervisor.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&wait, 1, -1) < 0 {
            guard errno == EINTR else { throw SystemError("wait for the supervisor") }
        }
    }
}
