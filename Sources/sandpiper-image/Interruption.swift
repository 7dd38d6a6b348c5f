import Glibc
import LinuxSystem

/// Clean ends by signals.
enum Interruption {
    /// From now on SIGINT, SIGTERM and SIGHUP call `discard`, which calls what it is given to end the process.
    ///
    /// To be called before further threads are started, which inherit the blocked signals.
    static func handle(_ discard: @escaping @Sendable (_ end: () -> Void) -> Void) throws(SystemError) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) { sigaddset(&signals, signal) }
        let mask = signals
        let result = pthread_sigmask(SIG_BLOCK, &signals, nil)
        guard result == 0 else { throw SystemError("block signals", number: result) }
        try DedicatedThread.start {
            var waited = mask
            var signal: Int32 = 0
            guard sigwait(&waited, &signal) == 0 else { return }
            discard {
                // Dies of the signal, so that a shell sees what happened.
                Glibc.signal(signal, SIG_DFL)
                var unblocked = mask
                pthread_sigmask(SIG_UNBLOCK, &unblocked, nil)
                raise(signal)
            }
        }
    }

    /// Whether the parent wants the signal ignored, as nohup does for SIGHUP.
    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(signal, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
