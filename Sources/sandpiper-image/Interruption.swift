import Glibc
import LinuxSystem
import Synchronization

/// Clean ends by signals.
///
/// By handlers and not by blocking the signals and waiting for them: there are threads of the runtime already, and one of
/// them lets every signal through.
enum Interruption {
    /// From now on SIGINT, SIGTERM and SIGHUP call `discard`, which calls what it is given to end the process.
    static func handle(_ discard: @escaping @Sendable (_ end: () -> Void) -> Void) throws(SystemError) {
        let (arrivals, announcements) = try Descriptor.pipe()
        announced.store(try announcements.duplicateForTransfer(), ordering: .releasing)
        try DedicatedThread.start {
            var number: UInt8 = 0
            let count = withUnsafeMutableBytes(of: &number) { buffer in try? arrivals.read(into: buffer) }
            guard count == 1 else { return }
            let signal = Int32(number)
            discard {
                // Dies of the signal, so that a shell sees what happened.
                Glibc.signal(signal, SIG_DFL)
                kill(getpid(), signal)
                // It may be another thread that dies of it, and this one is not to go on before.
                while true { pause() }
            }
        }
        var handled = sigset_t()
        sigemptyset(&handled)
        for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) {
            sigaddset(&handled, signal)
            var action = sigaction()
            action.sa_flags = SA_RESTART
            action.__sigaction_handler.sa_handler = { number in
                // All that a handler may do, and all that is needed.
                let before = errno
                defer { errno = before }
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(announced.load(ordering: .acquiring), &byte, 1)
            }
            guard sigaction(signal, &action, nil) == 0 else { throw SystemError("handle signals") }
        }
        // Some parents start programs with all signals blocked.
        let result = pthread_sigmask(SIG_UNBLOCK, &handled, nil)
        guard result == 0 else { throw SystemError("unblock signals", number: result) }
    }

    /// Whether the parent wants the signal ignored, as nohup does for SIGHUP.
    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(signal, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}

/// Where the handler writes the number of a signal. Open until the process ends.
private let announced = Atomic<Int32>(-1)
