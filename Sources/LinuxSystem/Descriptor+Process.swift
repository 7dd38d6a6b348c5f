import CLinux
import Glibc

extension Descriptor {
    /// A descriptor that stands for a process and becomes readable when it ends; see pidfd_open(2).
    /// - Throws: ``SystemError``; `ESRCH` when there is no such process.
    public static func process(_ pid: pid_t) throws(SystemError) -> Descriptor {
        let number = linux_pidfd_open(pid)
        guard number >= 0 else { throw SystemError("open process", "\(pid)") }
        return Descriptor(owning: number)
    }
}
