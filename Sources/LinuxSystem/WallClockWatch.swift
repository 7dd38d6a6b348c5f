import CLinux
import Glibc

/// Tells when the host's wall clock was set, or has gone on after the host slept. See `TFD_TIMER_CANCEL_ON_SET` in
/// timerfd_create(2).
public enum WallClockWatch {
    /// One element for each change, or for several that come at once. Ends with the task that reads it.
    public static func changes() throws(SystemError) -> AsyncStream<Void> {
        let timer = Descriptor(owning: linux_clock_watch())
        guard timer.rawValue >= 0 else { throw SystemError("watch the clock") }
        let stop = try EventDescriptor()
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        continuation.onTermination = { _ in stop.signal() }
        try DedicatedThread.start {
            while true {
                var wait = [
                    pollfd(fd: timer.rawValue, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: stop.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
                ]
                if poll(&wait, nfds_t(wait.count), -1) < 0 && errno != EINTR { break }
                if wait[1].revents != 0 { break }
                guard wait[0].revents != 0 else { continue }
                var expirations: UInt64 = 0
                let count = read(timer.rawValue, &expirations, MemoryLayout<UInt64>.size)
                guard count < 0, errno == ECANCELED else { break }
                continuation.yield()
            }
            continuation.finish()
        }
        return changes
    }
}
