import ControlClient
import Glibc
import LinuxSystem
import SandboxState
import Synchronization

/// Tells of the end of a supervisor. One thread watches all of them.
final class ProcessWatch: Sendable {
    private let descriptor: Descriptor
    private let ended: Eventual<Void>

    /// Watches a supervisor that this program started, which then is reaped too.
    /// - Throws: `SystemError`.
    init(of supervisor: SupervisorProcess) throws {
        descriptor = try .process(supervisor.pid)
        // Only the number: whoever holds the supervisor's connection keeps it from ending.
        ended = try Watcher.shared.get().add(descriptor) { [pid = supervisor.pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        }
    }

    /// Watches the supervisor of a sandbox; `nil` when it has none.
    init?(of directory: SandboxDirectory) throws {
        guard let watch = SandboxWatch(directory) else { return nil }
        descriptor = watch.supervisor
        ended = try Watcher.shared.get().add(descriptor, reap: nil)
    }

    deinit { try? Watcher.shared.get().forget(descriptor) }

    /// Whether it has ended.
    var hasEnded: Bool { ended.settled != nil }

    /// Waits for the end.
    func wait() async throws { try await ended.value }
}

/// The thread that watches processes.
private final class Watcher: Sendable {
    static let shared = Result { () throws(SystemError) in try Watcher() }

    private struct Watched {
        let descriptor: Descriptor
        let ended: Eventual<Void>
        /// Collects a child's exit status.
        let reap: (@Sendable () -> Void)?
    }

    private let watched = Mutex<[Int32: Watched]>([:])
    private let changed: EventDescriptor

    private init() throws(SystemError) {
        changed = try EventDescriptor()
        try DedicatedThread.start { self.run() }
    }

    /// Watches a process.
    func add(_ descriptor: Descriptor, reap: (@Sendable () -> Void)?) -> Eventual<Void> {
        let ended = Eventual<Void>()
        watched.withLock { $0[descriptor.rawValue] = Watched(descriptor: descriptor, ended: ended, reap: reap) }
        changed.signal()
        return ended
    }

    /// Nobody wants to know of the process any more; children are still reaped.
    func forget(_ descriptor: Descriptor) {
        watched.withLock { watched in
            if let known = watched[descriptor.rawValue], known.descriptor === descriptor, known.reap == nil {
                watched[descriptor.rawValue] = nil
            }
        }
        changed.signal()
    }

    private func run() {
        while true {
            let all = watched.withLock { Array($0.values) }
            var descriptors = [pollfd(fd: changed.descriptor.rawValue, events: Int16(POLLIN), revents: 0)]
            descriptors += all.map { pollfd(fd: $0.descriptor.rawValue, events: Int16(POLLIN), revents: 0) }
            guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { continue }
            if descriptors[0].revents != 0 { changed.reset() }
            for (process, result) in zip(all, descriptors.dropFirst()) where result.revents != 0 {
                process.reap?()
                watched.withLock { watched in
                    if watched[process.descriptor.rawValue]?.descriptor === process.descriptor {
                        watched[process.descriptor.rawValue] = nil
                    }
                }
                process.ended.settle()
            }
        }
    }
}
