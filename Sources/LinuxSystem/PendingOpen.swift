import CLinux
import Glibc
import Synchronization

/// The one openat(2) of a jailed program that is answered from outside: the program names a file, and gets the
/// descriptor that was chosen for it, with the rights that this has and no others.
///
/// The kernel holds the program's thread meanwhile. After the answer the listener is closed for good, and further calls
/// of the kind fail with `ENOSYS`. See `SECCOMP_IOCTL_NOTIF_ADDFD` in seccomp_unotify(2).
public final class PendingOpen: Sendable {
    private let state: Mutex<(listener: Descriptor, answer: Descriptor)?>

    init(_ listener: Descriptor, answer: Descriptor) { state = Mutex((listener, answer)) }

    /// Becomes readable when a call waits for its answer; `nil` once it was given.
    public var listener: Descriptor? { state.withLock { $0?.listener } }

    /// Gives the answer up: a call that waits for it fails.
    public func abandon() { state.withLock { $0 = nil } }

    /// Answers the call that waits. A call of another kind, such as a second exec, is refused.
    /// - Throws: ``SystemError`` where the kernel cannot hand a descriptor over; it can from Linux 5.9 on.
    public func answer() throws(SystemError) {
        let result = state.withLock { state in
            guard let (listener, answer) = state else { return Int32(0) }
            let result = linux_jail_answer_open(listener.rawValue, answer.rawValue)
            if result != 0 { state = nil }
            return result
        }
        guard result >= 0 else { throw SystemError("hand a descriptor to a jailed process") }
    }
}
