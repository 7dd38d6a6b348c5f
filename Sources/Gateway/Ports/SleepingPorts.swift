import Glibc
import LinuxSystem
import SandboxState
import Synchronization

/// The published ports of a sandbox whose machine is frozen: callers wait at their sockets until another gateway takes these.
public final class SleepingPorts: Sendable {
    private let sockets = Mutex<[(port: PublishedPort, socket: Descriptor)]>([])

    /// No ports.
    public init() {}

    /// All of them, sorted by their text.
    public var all: [PublishedPort] { sockets.withLock { $0.map(\.port) }.sorted { "\($0)" < "\($1)" } }
    /// Whether there are none.
    public var isEmpty: Bool { sockets.withLock { $0.isEmpty } }

    func keep(_ socket: Descriptor, of port: PublishedPort) { sockets.withLock { $0.append((port, socket)) } }

    /// Gives back the socket of a port, whatever number the host has chosen for it.
    func take(_ port: PublishedPort) -> (port: PublishedPort, socket: Descriptor)? {
        sockets.withLock { sockets in
            guard
                let index = sockets.firstIndex(where: { $0.port == port || port.hostPort == 0 && port.isLike($0.port) })
            else { return nil }
            return sockets.remove(at: index)
        }
    }

    /// Listens no more.
    public func close() { sockets.withLock { $0 = [] } }

    /// Returns when somebody has called, or the task is cancelled.
    public func waitForCaller() async {
        guard let end = try? EventDescriptor() else { return }
        let sockets = sockets.withLock { $0.map(\.socket) }
        await withTaskCancellationHandler {
            try? await DedicatedThread.value {
                var waited = ([end.descriptor] + sockets).map {
                    pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0)
                }
                while poll(&waited, nfds_t(waited.count), -1) < 0 && errno == EINTR {}
                withExtendedLifetime((end, sockets)) {}
            }
        } onCancel: {
            end.signal()
        }
    }
}
