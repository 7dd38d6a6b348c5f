#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// Swift's runtime asks /proc for its own path before main and dies when it is not there.
// Priority 101 is the first that a program may use, so this runs before the runtime's own constructors.
__attribute__((constructor(101))) static void mount_proc_before_swift(void) {
    if (getpid() != 1 || access("/proc/self", F_OK) == 0) return;
    mkdir("/proc", 0555);
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
}
