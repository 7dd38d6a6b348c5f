import Glibc

/// The kernel's boot id of a machine that goes on from another one's memory, and with that from its boot id.
enum BootID {
    private static let path = "/proc/sys/kernel/random/boot_id"

    /// Lets a new id be read where the kernel's is.
    /// - Parameter first: the kernel's first root, on which the file lies.
    static func renew(_ first: Descriptor) throws(AgentError) {
        // The kernel makes its own once, and never again.
        guard let id = KernelFile.text("/proc/sys/kernel/random/uuid") else { throw .system("make a boot id", errno) }
        let name = "boot_id"
        unlinkat(first.number, name, 0)
        let file = Descriptor(
            try AgentError.check("make a boot id") {
                openat(first.number, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o444)
            })
        try file.writeAll(Array("\(id)\n".utf8), to: name)
        // That of a machine before, if it was another's fork too.
        umount2(path, Int32(MNT_DETACH))
        try AgentError.check("show a boot id") {
            mount("/proc/self/fd/\(file.number)", path, nil, UInt(MS_BIND), nil)
        }
    }
}
