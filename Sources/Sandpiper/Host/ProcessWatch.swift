import ControlClient
import Glibc
import LinuxSystem
import SandboxState

/// Tells of the end of a supervisor.
final class ProcessWatch: Sendable {
    private let descriptor: Descriptor
    private let ended: Eventual<Void>

    /// Watches a supervisor that this program started, which then is reaped too.
    /// - Throws: `SystemError`.
    init(of supervisor: SupervisorProcess) throws {
        descriptor = try .process(supervisor.pid)
        // Only the number: whoever holds the supervisor's connection keeps it from ending.
        ended = try DescriptorWatcher.shared.get().add(descriptor) { [pid = supervisor.pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        }
    }

    /// Watches the supervisor of a sandbox; `nil` when it has none.
    init?(of directory: SandboxDirectory) throws {
        guard let watch = SandboxWatch(directory) else { return nil }
        descriptor = watch.supervisor
        ended = try DescriptorWatcher.shared.get().add(descriptor)
    }

    deinit { try? DescriptorWatcher.shared.get().forget(descriptor) }

    /// Whether it has ended.
    var hasEnded: Bool { ended.settled != nil }

    /// Waits for the end.
    func wait() async throws { try await ended.value }
}
