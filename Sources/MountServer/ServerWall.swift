import CLinux
import Glibc
import LinuxSystem

/// What a server takes from itself before it reads the first byte that it was given: all but what serving one tree needs.
enum ServerWall {
    /// What the process is left with.
    struct Standing {
        /// Walls that this host does not offer.
        var missing: [String] = []
        /// How many descriptors can be open.
        var mostOpen: Int
    }

    /// Most descriptors, where the host allows so many.
    private static let mostDescriptors: UInt64 = 32_768
    /// Private writable memory: two million nodes, and buffers.
    private static let memory: UInt64 = 4 << 30

    /// Puts up all walls, for good.
    /// - Parameter root: what is served, a directory or a file.
    static func raise(root: Descriptor, readOnly: Bool) throws(SystemError) -> Standing {
        let isDirectory = try root.status().st_mode & S_IFMT == S_IFDIR
        guard linux_wall_process() == 0 else { throw SystemError("give up privileges") }
        // No core dump: one byte and not none, since with zero a handler that core(5) pipes to would still get it.
        guard linux_wall_limit(4, 1) >= 0, linux_wall_limit(8, 0) >= 0, linux_wall_limit(2, memory) >= 0 else {
            throw SystemError("limit what it may take")
        }
        let open = linux_wall_limit(7, mostDescriptors)
        guard open >= 0 else { throw SystemError("limit what it may open") }
        // CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, where root serves. Without CAP_FSETID, so that the
        // kernel takes set-id bits from what is written.
        guard linux_wall_capabilities(0b1111) == 0 else { throw SystemError("give up capabilities") }
        var standing = Standing(mostOpen: Int(open))
        if try !restrictFiles(root, isDirectory: isDirectory, readOnly: readOnly) { standing.missing.append("files") }
        try filter().restrictProcess()
        return standing
    }

    /// - Returns: whether the kernel can do it. The first version of Landlock forbids moves between directories.
    private static func restrictFiles(
        _ root: Descriptor, isDirectory: Bool, readOnly: Bool
    ) throws(SystemError) -> Bool {
        guard let abi = Landlock.kernelABI, abi >= 2 else { return false }
        let rules = try Landlock()
        var rights: Landlock.Rights = [.readFile]
        if !readOnly { rights.formUnion([.writeFile, .truncate]) }
        if isDirectory {
            rights.insert(.readDirectory)
            if !readOnly { rights.formUnion(.changeTree) }
        }
        try rules.allow(rights, on: root)
        try rules.restrictProcess()
        return true
    }

    /// Calls on files; which files is Landlock's matter. Nothing makes a process, a thread or a socket.
    private static let allowed: [Int32] = [
        // First what runs most often
        __NR_statx, __NR_poll, __NR_recvfrom, __NR_sendmsg, __NR_pread64, __NR_pwrite64, __NR_openat2, __NR_close,
        __NR_getdents64, __NR_recvmsg, __NR_ppoll,
        // Names
        __NR_mkdirat, __NR_mknodat, __NR_unlinkat, __NR_renameat2, __NR_linkat, __NR_symlinkat, __NR_readlinkat,
        // Attributes
        __NR_fchmod, __NR_chmod, __NR_fchownat, __NR_utimensat, __NR_umask, __NR_fstatfs, __NR_fgetxattr, __NR_getxattr,
        __NR_fsetxattr, __NR_setxattr, __NR_flistxattr, __NR_listxattr, __NR_fremovexattr, __NR_removexattr,
        // Content
        __NR_openat, __NR_open, __NR_pwritev2, __NR_lseek, __NR_ftruncate, __NR_fallocate, __NR_fsync, __NR_fdatasync,
        __NR_copy_file_range, __NR_fstat, __NR_newfstatat, __NR_read, __NR_write, __NR_writev,
        // The process itself
        __NR_brk, __NR_munmap, __NR_mremap, __NR_madvise, __NR_futex, __NR_clock_gettime, __NR_getrandom,
        __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_getpid, __NR_gettid, __NR_geteuid,
        __NR_getegid, __NR_exit, __NR_exit_group, __NR_restart_syscall,
    ]

    private static func filter() -> SeccompFilter {
        var filter = SeccompFilter()
        filter.add(allowed, .allow)
        // Memory that can be written or run, never made runnable.
        for call in [__NR_mmap, __NR_mprotect] {
            filter.add(call, when: .masked(argument: 2, mask: 0x4, value: 0), otherwise: .fail(EACCES))
        }
        filter.finish(.fail(EPERM))
        return filter
    }
}
