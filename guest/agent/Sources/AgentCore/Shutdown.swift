import AgentProtocol
import Glibc

/// The end of the machine: every process is asked to end, then made to, then the disk is written and unmounted.
final class Shutdown {
    /// How long the kernel may take to end processes after SIGKILL, in milliseconds.
    private static let patience: UInt64 = 2_000

    /// Whether no process is left, or waiting for them has taken long enough.
    private(set) var isDone = false
    private let loop: EventLoop

    /// Asks every process but this one to end.
    /// - Parameter grace: how long they may take, in milliseconds.
    init(loop: EventLoop, grace: UInt64) {
        self.loop = loop
        kill(-1, SIGTERM)
        // A stopped process hears of it only when it goes on.
        kill(-1, SIGCONT)
        loop.after(milliseconds: grace) { [self] in killAll() }
    }

    /// Notes that the agent has no more children; every process is a descendant, so none is left.
    func allAreGone() { isDone = true }

    private func killAll() {
        kill(-1, SIGKILL)
        loop.after(milliseconds: Shutdown.patience) { [self] in isDone = true }
    }
}
