import AgentProtocol
import Glibc

/// One process that the host started, with its streams.
final class RunningProcess {
    /// Where the process is in its life.
    enum State {
        /// Forked; whether the program runs is not known yet. It may already be gone.
        case starting(ExitStatus.Cause?)
        case running
        /// Gone; its last output is on its way.
        case draining(ExitStatus.Cause)
    }

    let stream: UInt32
    let pid: pid_t
    let input: InputSink
    let outputs: [OutputSource]
    let terminal: Descriptor?
    let leaf: ControlGroups.Leaf?
    var state = State.starting(nil)
    var deadline: UInt64?
    var timedOut = false

    init(
        stream: UInt32, pid: pid_t, streams: ProcessStreams, leaf: ControlGroups.Leaf?
    ) {
        self.stream = stream
        self.pid = pid
        input = streams.input
        outputs = streams.outputs
        terminal = streams.terminal
        self.leaf = leaf
    }

    /// Sends a signal to the process group; a process that does not run its program yet is alone in it.
    func signal(_ number: Int32) {
        switch state {
        case .starting(nil): kill(pid, number)
        case .running: kill(-pid, number)
        case .starting, .draining: break
        }
    }

    /// Ends the process and all that it started, because its time is over.
    func timeOut() {
        switch state {
        case .starting(nil), .running: timedOut = true
        case .starting, .draining: return
        }
        signal(SIGKILL)
        leaf?.kill()
    }
}
