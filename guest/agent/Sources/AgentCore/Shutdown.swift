import AgentProtocol
import Glibc

/// The end of the machine: every process is asked to end, then made to; file systems of the host are unmounted; then the
/// disk is written and unmounted.
final class Shutdown {
    /// How long the kernel may take to end processes after SIGKILL, in milliseconds.
    private static let patience: UInt64 = 2_000
    /// How long the host may take to receive what was written to its file systems, in milliseconds.
    private static let unmountLimit: UInt64 = 5_000

    private enum Stage { case ending, unmounting, cutOff }

    /// Whether no process is left, or waiting for them has taken long enough.
    private(set) var isDone = false
    private let loop: EventLoop
    private let mounts: MountTable?
    private var stage = Stage.ending

    /// Asks every process but this one to end.
    /// - Parameters:
    ///   - grace: how long they may take, in milliseconds.
    ///   - mounts: the file systems of the host, which are served until the last process is gone.
    init(loop: EventLoop, grace: UInt64, mounts: MountTable?) {
        self.loop = loop
        self.mounts = mounts
        kill(-1, SIGTERM)
        // A stopped process hears of it only when it goes on.
        kill(-1, SIGCONT)
        loop.after(milliseconds: grace) { [self] in killAll() }
    }

    /// Notes that the agent has no more children; every process is a descendant, so none is left.
    func allAreGone() {
        guard stage == .ending, let mounts, mounts.hasOpen, mounts.unmountAll() else {
            isDone = true
            return
        }
        stage = .unmounting
        loop.after(milliseconds: Shutdown.unmountLimit) { [self] in cutOff() }
    }

    private func killAll() {
        guard stage == .ending else { return }
        kill(-1, SIGKILL)
        loop.after(milliseconds: Shutdown.patience) { [self] in if stage == .ending { cutOff() } }
    }

    /// Waits no longer for the host: who still waits for an answer of it, which even SIGKILL does not end, gets an error.
    private func cutOff() {
        guard !isDone else { return }
        stage = .cutOff
        guard let mounts, mounts.hasOpen else {
            isDone = true
            return
        }
        mounts.cutOffAll()
        loop.after(milliseconds: Shutdown.patience) { [self] in isDone = true }
    }
}
