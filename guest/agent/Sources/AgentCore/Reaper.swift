import AgentProtocol
import CAgent
import Glibc

/// Collects every child that has ended: processes started here and the orphans that fall to the first process.
final class Reaper {
    /// Children collected in one round, so that a storm of them does not hold up the streams.
    private static let round = 128

    private let signals: Descriptor
    private var isDue = true

    /// Receives SIGCHLD through the loop from now on.
    init(loop: EventLoop) throws(AgentError) {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGCHLD)
        sigprocmask(SIG_BLOCK, &set, nil)
        signals = Descriptor(
            try AgentError.check("receive signals") { signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK)) })
        try loop.watch(signals, for: .input) { [unowned self] _ in
            var info = signalfd_siginfo()
            while read(signals.number, &info, MemoryLayout<signalfd_siginfo>.size) > 0 {}
            isDue = true
        }
    }

    /// Whether ``collect(_:)`` could find somebody now.
    var hasWork: Bool { isDue }

    /// Looks again even if no child has ended, to learn whether there are any.
    func check() { isDue = true }

    /// Collects some children.
    /// - Returns: whether there are children at all, ended or not.
    @discardableResult
    func collect(_ ended: (pid_t, ExitStatus.Cause) -> Void) -> Bool {
        for _ in 0..<Reaper.round {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else {
                isDue = false
                return pid == 0
            }
            ended(pid, Reaper.cause(of: status))
        }
        return true
    }

    /// What wait(2)'s status word says of a process that has ended.
    static func cause(of status: Int32) -> ExitStatus.Cause {
        let signal = UInt8(truncatingIfNeeded: status & 0x7f)
        return signal == 0 ? .code(UInt8(truncatingIfNeeded: status >> 8)) : .signal(signal)
    }
}
