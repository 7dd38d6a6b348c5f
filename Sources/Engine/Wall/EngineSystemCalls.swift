import CLinux
import Glibc
import LinuxSystem

/// The system calls an engine may make.
///
/// The list holds what QEMU 7.2 makes from start to end under emulation and with KVM, seen with strace, and what newer
/// versions of it and of glibc make for the same purposes. A call that is not listed fails with `ENOSYS`, as on an older
/// kernel: programs know how to go on from that, so a newer QEMU loses a shortcut and not its life. What no engine has
/// reason to try ends it.
enum EngineSystemCalls {
    /// Calls without any condition.
    private static let allowed: [Int32] = [
        // Waiting, threads and time; first what runs most often
        __NR_futex, __NR_ppoll, __NR_read, __NR_write, __NR_epoll_wait, __NR_epoll_pwait, __NR_epoll_pwait2,
        __NR_epoll_ctl, __NR_epoll_create, __NR_epoll_create1, __NR_poll, __NR_select, __NR_pselect6, __NR_eventfd2,
        __NR_clock_gettime, __NR_clock_getres, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_time,
        __NR_timerfd_create, __NR_timerfd_settime, __NR_timerfd_gettime, __NR_timer_create, __NR_timer_settime,
        __NR_timer_gettime, __NR_timer_delete, __NR_sched_yield, __NR_sched_getaffinity, __NR_sched_getparam,
        __NR_sched_getscheduler, __NR_getcpu, __NR_membarrier, __NR_rseq, __NR_set_robust_list, __NR_get_robust_list,
        __NR_set_tid_address, __NR_gettid, __NR_getpid, __NR_restart_syscall, __NR_futex_waitv,
        // Signals to itself
        __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigtimedwait, __NR_rt_sigpending,
        __NR_rt_sigsuspend, __NR_pause, __NR_sigaltstack, __NR_signalfd4,
        // Memory
        __NR_mmap, __NR_munmap, __NR_mprotect, __NR_mremap, __NR_madvise, __NR_brk, __NR_mincore, __NR_msync,
        // Files: what may be opened is Landlock's matter
        __NR_openat, __NR_open, __NR_close, __NR_close_range, __NR_lseek, __NR_pread64, __NR_pwrite64, __NR_preadv,
        __NR_pwritev, __NR_preadv2, __NR_pwritev2, __NR_readv, __NR_writev, __NR_fdatasync, __NR_fsync, __NR_fallocate,
        __NR_ftruncate, __NR_sync_file_range, __NR_copy_file_range, __NR_fadvise64, __NR_stat, __NR_fstat, __NR_lstat,
        __NR_newfstatat, __NR_statx, __NR_statfs, __NR_fstatfs, __NR_access, __NR_faccessat, __NR_faccessat2,
        __NR_readlink, __NR_readlinkat, __NR_getdents64, __NR_getcwd, __NR_fchdir, __NR_dup, __NR_dup2, __NR_dup3,
        __NR_pipe2, __NR_umask,
        // Sockets it was given
        __NR_recvmsg, __NR_sendmsg, __NR_recvfrom, __NR_sendto, __NR_getsockname, __NR_getpeername, __NR_getsockopt,
        __NR_setsockopt, __NR_shutdown,
        // Itself and the machine
        __NR_arch_prctl, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getppid, __NR_getrlimit,
        __NR_uname, __NR_sysinfo, __NR_getrandom, __NR_getrusage, __NR_times, __NR_get_mempolicy, __NR_seccomp,
        __NR_exit, __NR_exit_group,
    ]

    /// Calls that QEMU or its libraries try and do well without.
    private static let refused: [Int32] = [
        __NR_socket, __NR_socketpair, __NR_connect, __NR_bind, __NR_listen, __NR_accept, __NR_accept4,
        __NR_execve, __NR_fork, __NR_vfork, __NR_kill, __NR_tkill, __NR_setsid, __NR_setpgid,
        __NR_set_mempolicy, __NR_mbind, __NR_migrate_pages, __NR_move_pages, __NR_name_to_handle_at, __NR_personality,
        __NR_sched_setaffinity, __NR_sched_setscheduler, __NR_setpriority,
        __NR_mlock, __NR_mlock2, __NR_mlockall, __NR_setrlimit, __NR_chmod, __NR_fchmod, __NR_fchmodat, __NR_chown,
        __NR_fchown, __NR_lchown, __NR_fchownat, __NR_unlink, __NR_unlinkat, __NR_rename, __NR_renameat,
        __NR_renameat2, __NR_mkdir, __NR_mkdirat, __NR_rmdir, __NR_symlink, __NR_symlinkat, __NR_link, __NR_linkat,
        __NR_mknod, __NR_mknodat, __NR_truncate, __NR_creat, __NR_utimensat, __NR_chdir,
    ]

    /// Calls that only an attacker makes.
    private static let deadly: [Int32] = [
        __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp, __NR_pidfd_getfd, __NR_bpf,
        __NR_perf_event_open, __NR_userfaultfd, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot,
        __NR_open_tree, __NR_move_mount, __NR_fsopen, __NR_fsmount, __NR_fsconfig, __NR_fspick, __NR_mount_setattr,
        __NR_setns, __NR_unshare, __NR_add_key, __NR_request_key, __NR_keyctl, __NR_init_module, __NR_finit_module,
        __NR_delete_module, __NR_kexec_load, __NR_kexec_file_load, __NR_reboot, __NR_swapon, __NR_swapoff,
        __NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_syslog, __NR_acct, __NR_quotactl, __NR_settimeofday,
        __NR_clock_settime, __NR_adjtimex, __NR_clock_adjtime, __NR_sethostname, __NR_setdomainname,
        __NR_open_by_handle_at, __NR_setuid, __NR_setgid, __NR_setreuid,
        __NR_setregid, __NR_setresuid, __NR_setresgid, __NR_setgroups, __NR_setfsuid, __NR_setfsgid, __NR_capset,
        __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, __NR_pidfd_send_signal, __NR_fanotify_init, __NR_lookup_dcookie,
        __NR_vhangup, __NR_nfsservctl,
    ]

    /// The filter for one engine.
    /// - Parameter asksForMemory: whether an openat(2) with the flags that QEMU uses for memory files is answered from
    ///   outside. Elsewhere it sets close-on-exec too, but for `/dev/null`, on which it tries locks.
    static func filter(accelerator: Accelerator, asksForMemory: Bool) -> SeccompFilter {
        var filter = SeccompFilter()
        switch accelerator {
        case .kvm:  // first of all: every exit of the guest comes through here
            filter.add(__NR_ioctl, when: .masked(argument: 1, mask: 0xff00, value: 0xae00), otherwise: .fail(ENOTTY))
        case .emulated:
            filter.add(__NR_ioctl, when: .oneOf(argument: 1, harmlessControls), otherwise: .fail(ENOTTY))
        }
        if asksForMemory {
            filter.add(__NR_openat, when: .oneOf(argument: 2, [UInt32(O_RDWR)]), .ask, otherwise: .allow)
        }
        filter.add(allowed, .allow)
        // Threads, never processes; clone3 hides its flags from filters, and libc falls back to clone.
        let threadFlags: UInt32 = 0x0001_0100  // CLONE_THREAD | CLONE_VM
        let namespaceFlags: UInt32 = 0x7e02_0080
        filter.add(
            __NR_clone, when: .masked(argument: 0, mask: threadFlags | namespaceFlags, value: threadFlags),
            otherwise: .fail(EPERM))
        filter.add(__NR_tgkill, when: .ownProcess(argument: 0), otherwise: .fail(EPERM))
        // Reading limits only; 0 stands for itself.
        filter.add(__NR_prlimit64, when: .oneOf(argument: 2, [0]), otherwise: .fail(EPERM))
        // Without the owners and signals by which a descriptor's events reach other processes.
        filter.add(__NR_fcntl, when: .oneOf(argument: 1, descriptorControls), otherwise: .fail(EINVAL))
        filter.add(__NR_prctl, when: .oneOf(argument: 0, processControls), otherwise: .fail(EINVAL))
        filter.add(refused, .fail(EPERM))
        filter.add(deadly, .kill)
        filter.finish(.fail(ENOSYS))
        return filter
    }

    /// FIONBIO, FIOCLEX, FIONREAD.
    private static let harmlessControls: [UInt32] = [0x5421, 0x5451, 0x541b]

    /// F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK,
    /// F_OFD_SETLKW, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS.
    private static let descriptorControls: [UInt32] = [0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034]

    /// PR_SET_NAME, PR_GET_NAME, PR_SET_SECCOMP, PR_CAPBSET_READ, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_MCE_KILL,
    /// PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_VMA: not PR_SET_PDEATHSIG, which would let it outlive us.
    private static let processControls: [UInt32] = [15, 16, 22, 23, 29, 30, 33, 38, 39, 0x5356_4d41]
}
