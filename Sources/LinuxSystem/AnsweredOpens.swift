import CLinux
import Glibc
import Synchronization

/// Those openat(2) calls of a jailed program that are answered from outside: whatever file the program names, it gets a
/// copy of one descriptor that was chosen for it, with the rights that this has and no others.
///
/// The kernel holds the program's thread meanwhile. After the end the listener is closed for good, and further calls of
/// the kind fail with `ENOSYS`. See `SECCOMP_IOCTL_NOTIF_ADDFD` in seccomp_unotify(2).
public final class AnsweredOpens: Sendable {
    private let state: Mutex<(listener: Descriptor, answer: Descriptor)?>

    init(_ listener: Descriptor, answer: Descriptor) { state = Mutex((listener, answer)) }

    /// Becomes readable when a call waits for its answer; `nil` after the end.
    public var listener: Descriptor? { state.withLock { $0?.listener } }

    /// Answers no more.
    public func end() { state.withLock { $0 = nil } }

    /// Answers the call that waits. A call of another kind, such as a second exec, is refused.
    /// - Throws: ``SystemError`` where the kernel cannot hand a descriptor over; it can from Linux 5.9 on.
    public func answer() throws(SystemError) {
        let result = state.withLock { state in
            state.map { linux_jail_answer_open($0.listener.rawValue, $0.answer.rawValue) } ?? 0
        }
        guard result >= 0 else { throw SystemError("hand a descriptor to a jailed process") }
    }
}
