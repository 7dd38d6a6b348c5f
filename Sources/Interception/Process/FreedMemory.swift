import CLinux
import Glibc
import InterceptionProtocol
import LinuxSystem

/// Memory that was given back to the C library. Copies of secrets' values are in it when a request is on its way: in
/// buffers of libraries that know nothing of secrets. The C library can overwrite what is given back, but not what its
/// threads keep for themselves, and only at its start can a process tell it to keep nothing.
enum FreedMemory {
    private static let variable = "GLIBC_TUNABLES"
    private static let settings = "glibc.malloc.tcache_count=0:glibc.malloc.perturb=165"

    /// Starts this program once more in its place, with memory overwritten when it is given back, unless it is so already.
    static func overwriteFromStart() throws(SystemError) {
        if let current = getenv(variable), strcmp(current, settings) == 0 { return }
        guard setenv(variable, settings, 1) == 0 else { throw SystemError("set", variable) }
        // Descriptors that are inherited have no close-on-exec; this one must not get it on the way.
        guard linux_fcntl(InterceptionSocket.inheritedNumber, F_SETFD, 0) == 0 else {
            throw SystemError("keep the socket")
        }
        execv("/proc/self/exe", CommandLine.unsafeArgv)
        throw SystemError("start once more", "/proc/self/exe")
    }
}
