#define _GNU_SOURCE
#include "agent_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Everything from here to agent_start_child runs in the child between fork and exec: system calls and the stack,
// nothing that allocates or locks. Only `builtin` may: the agent has one thread, so its copy holds no lock.

static _Noreturn void fail(const struct agent_child *child, enum agent_stage stage, int error) {
    struct agent_report report = {.stage = stage, .error = error};
    ssize_t written;
    do written = write(child->report, &report, sizeof report);
    while (written < 0 && errno == EINTR);
    _exit(127);
}

// The kernel's view of struct sigaction; the C library's wrapper refuses the signals it keeps for itself.
struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

static void reset_signals(void) {
    struct kernel_sigaction standard = {0};
    for (int signal = 1; signal <= 64; signal++)
        syscall(SYS_rt_sigaction, signal, &standard, NULL, sizeof standard.mask);
    unsigned long none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

static int make_directories(const char *path) {
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof prefix) return ENAMETOOLONG;
    memcpy(prefix, path, length + 1);
    for (size_t end = 1; end <= length; end++) {
        if (prefix[end] != '/' && prefix[end] != 0) continue;
        char kept = prefix[end];
        prefix[end] = 0;
        if (mkdir(prefix, 0755) < 0 && errno != EEXIST) return errno;
        prefix[end] = kept;
    }
    return 0;
}

// Whether the caller may execute the regular file at the path: 0 or why not.
static int executable(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0) return errno;
    if (S_ISDIR(status.st_mode)) return EISDIR;
    if (!S_ISREG(status.st_mode)) return EACCES;
    if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0) return errno;
    return 0;
}

static _Noreturn void execute(const struct agent_child *child, const char *path) {
    execve(path, child->arguments, child->environment);
    fail(child, AGENT_STAGE_EXECUTE, errno);
}

// As Docker looks a program up: what is in the search path and cannot be executed is passed over.
static _Noreturn void search(const struct agent_child *child, const char *name) {
    char path[PATH_MAX];
    size_t name_length = strlen(name);
    const char *start = child->search_path;
    while (name_length > 0) {
        const char *end = strchrnul(start, ':');
        size_t length = (size_t)(end - start);
        if (length + name_length + 2 <= sizeof path) {
            size_t used = 0;
            memcpy(path, start, length);
            used += length;
            if (length > 0) path[used++] = '/';
            memcpy(path + used, name, name_length + 1);
            if (executable(path) == 0) execute(child, path);
        }
        if (*end == 0) break;
        start = end + 1;
    }
    fail(child, AGENT_STAGE_LOOKUP, ENOENT);
}

static _Noreturn void run(const struct agent_child *child) {
    reset_signals();
    if (setsid() < 0) fail(child, AGENT_STAGE_SESSION, errno);
    if (child->is_terminal && ioctl(child->input, TIOCSCTTY, 0) < 0) fail(child, AGENT_STAGE_SESSION, errno);
    if (dup2(child->input, 0) < 0 || dup2(child->output, 1) < 0 || dup2(child->error, 2) < 0)
        fail(child, AGENT_STAGE_SESSION, errno);
    umask(022);

    for (size_t i = 0; i < child->limit_count; i++) {
        struct rlimit64 limit = {.rlim_cur = child->limits[i].soft, .rlim_max = child->limits[i].hard};
        if (prlimit64(0, (__rlimit_resource_t)child->limits[i].resource, &limit, NULL) < 0)
            fail(child, AGENT_STAGE_LIMITS, errno);
    }

    // As root first, like Docker; a directory that only its owner may enter (FUSE) is tried again as the user.
    if (child->makes_directory) {
        int error = make_directories(child->directory);
        if (error != 0) fail(child, AGENT_STAGE_DIRECTORY, error);
    }
    int refused = chdir(child->directory) < 0 ? errno : 0;
    if (refused != 0 && refused != EACCES && refused != EPERM) fail(child, AGENT_STAGE_DIRECTORY, refused);

    if (geteuid() == 0) {
        // The machine ends when the host says so; a guest that halted its processors would only seem to hang.
        if (prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0) < 0) fail(child, AGENT_STAGE_IDENTITY, errno);
        if (syscall(SYS_setgroups, child->group_count, child->groups) < 0) fail(child, AGENT_STAGE_IDENTITY, errno);
    }
    // The raw calls: the C library's would signal threads, of which there are none.
    if (syscall(SYS_setresgid, child->group, child->group, child->group) < 0) fail(child, AGENT_STAGE_IDENTITY, errno);
    if (syscall(SYS_setresuid, child->user, child->user, child->user) < 0) fail(child, AGENT_STAGE_IDENTITY, errno);
    if (refused != 0 && chdir(child->directory) < 0) fail(child, AGENT_STAGE_DIRECTORY, errno);

    if (child->builtin != NULL) {
        // With no descriptor but its three streams; the end of the report pipe says that it runs.
        syscall(SYS_close_range, 3, ~0U, 0);
        _exit(child->builtin());
    }

    // Every descriptor of the agent is close-on-exec already; this holds even if one is forgotten.
    syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);

    const char *program = child->arguments[0];
    if (strchr(program, '/') == NULL) search(child, program);
    int error = executable(program);
    if (error != 0) fail(child, AGENT_STAGE_LOOKUP, error);
    execute(child, program);
}

int agent_start_child(const struct agent_child *child) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    if (child->control_group >= 0) {
        arguments.flags = CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)child->control_group;
    }
    // Without CLONE_VM this returns twice, like fork, and skips what the C library runs around its own fork.
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) run(child);
    return pid < 0 ? -errno : (int)pid;
}
