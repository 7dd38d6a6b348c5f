import CLinux
import Glibc
import InterceptionProtocol
import LinuxSystem

/// What an interceptor takes from itself before its first connection: everything but the sockets that it is given. No file
/// can be opened, no socket made or connected, no program started.
enum InterceptionWall {
    /// Private writable memory, in bytes.
    private static let memory: UInt64 = 4 << 30
    private static let mostDescriptors: UInt64 = 32_768

    /// Hides the process's memory from others, before it has anything to hide, and lets go of descriptors that came along
    /// by mistake.
    static func hide() throws(SystemError) {
        guard linux_wall_close_from(UInt32(InterceptionSocket.inheritedNumber) + 1) == 0 || errno == ENOSYS else {
            throw SystemError("close what was inherited")
        }
        guard linux_wall_process() == 0 else { throw SystemError("give up privileges") }
        // No core dump: one byte and not none, since with zero a handler that core(5) pipes to would still get it.
        guard linux_wall_limit(4, 1) >= 0 else { throw SystemError("limit what it may take") }
    }

    /// Puts up the other walls, for good. Threads that are started later stand behind them too.
    /// - Returns: walls that this host does not offer.
    static func raise() throws(SystemError) -> [String] {
        guard linux_wall_limit(2, memory) >= 0, linux_wall_limit(7, mostDescriptors) >= 0 else {
            throw SystemError("limit what it may take")
        }
        guard linux_wall_capabilities(0) == 0 else { throw SystemError("give up capabilities") }
        var missing: [String] = []
        if Landlock.kernelABI != nil { try Landlock().restrictProcess() } else { missing.append("files") }
        try filter().restrictProcess()
        return missing
    }

    private static let allowed: [Int32] = [
        // First what runs most often
        __NR_epoll_wait, __NR_epoll_pwait, __NR_read, __NR_write, __NR_writev, __NR_recvfrom, __NR_sendto, __NR_recvmsg,
        __NR_sendmsg, __NR_epoll_ctl, __NR_timerfd_settime, __NR_futex, __NR_close,
        // Sockets that are there
        __NR_shutdown, __NR_getsockopt, __NR_setsockopt, __NR_getsockname, __NR_getpeername, __NR_fcntl,
        // The event loop
        __NR_epoll_create, __NR_epoll_create1, __NR_eventfd2, __NR_timerfd_create,
        // Threads, started once
        __NR_set_robust_list, __NR_rseq, __NR_sched_getaffinity, __NR_sched_yield, __NR_prctl, __NR_sigaltstack,
        // The process itself
        __NR_brk, __NR_munmap, __NR_mremap, __NR_madvise, __NR_mlock, __NR_clock_gettime, __NR_clock_nanosleep,
        __NR_nanosleep, __NR_getrandom, __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_getpid,
        __NR_gettid, __NR_sysinfo, __NR_exit, __NR_exit_group, __NR_restart_syscall,
    ]

    private static func filter() -> SeccompFilter {
        var filter = SeccompFilter()
        filter.add(allowed, .allow)
        // Memory that can be written or run, never made runnable.
        for call in [__NR_mmap, __NR_mprotect] {
            filter.add(call, when: .masked(argument: 2, mask: 0x4, value: 0), otherwise: .fail(EACCES))
        }
        // Threads, and no processes. The arguments of the newer call are out of a filter's sight; without it, the C
        // library takes the older.
        let thread: UInt32 = 0x10000  // CLONE_THREAD
        filter.add(__NR_clone, when: .masked(argument: 0, mask: thread, value: thread), otherwise: .fail(EPERM))
        filter.add([__NR_clone3], .fail(ENOSYS))
        filter.finish(.fail(EPERM))
        return filter
    }
}
