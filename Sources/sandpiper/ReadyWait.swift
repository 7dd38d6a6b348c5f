import Control
import ControlClient
import Glibc
import LinuxSystem

/// Waits until a sandbox that this command has started is ready; a signal meanwhile ends the sandbox again.
struct ReadyWait {
    private let supervisor: SupervisorProcess
    private let signals: SignalDescriptor

    init(_ supervisor: SupervisorProcess, _ signals: SignalDescriptor) {
        self.supervisor = supervisor
        self.signals = signals
    }

    /// Prints notices meanwhile, and notes when each stage was reached.
    func run(_ timings: inout Timings?) throws {
        try run { message in
            switch message {
            case .timing(let stage, let nanoseconds): timings?.mark(stage, at: nanoseconds)
            case .notice(let line): complain(line)
            case .ready: timings?.mark("ready")
            default: break
            }
        }
    }

    /// - Parameter observe: hears of every message up to the one that says the sandbox is ready.
    func run(_ observe: (SupervisorMessage) -> Void) throws {
        let connection = supervisor.connection
        while true {
            var descriptors = [
                pollfd(fd: connection.socket.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&descriptors, 2, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the sandbox") }
            if descriptors[1].revents != 0 {
                let signal = try signals.next()
                if signal == SIGWINCH { continue }
                try connection.send(.request(1, .kill))
                supervisor.reap()
                throw ExitStatusError(code: 128 + signal)
            }
            guard descriptors[0].revents != 0 else { continue }
            guard let messages = try connection.receive() else { throw ControlError.hungUp }
            for message in messages {
                observe(message)
                if message == .ready { return }
                guard case .failed(let reason) = message else { continue }
                // It has put its files in order when it is gone.
                supervisor.reap()
                throw ControlError.failed(reason)
            }
        }
    }
}
