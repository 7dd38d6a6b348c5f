// Starts a program inside a jail; everything between fork and exec is async-signal-safe.
#ifndef CLINUX_JAIL_H
#define CLINUX_JAIL_H

#include <linux/filter.h>
#include <stdint.h>
#include <sys/types.h>

/// A resource limit; soft and hard become the same.
struct linux_limit {
    int resource;
    uint64_t value;
};

/// What the child does between clone and exec, prepared by the parent so that the child need not allocate.
struct linux_jail {
    /// The program, open for reading.
    int executable;
    /// Its argument vector, ended by NULL; the environment is empty.
    char *const *arguments;
    /// These become 0, 1, 2 … in the program; every other descriptor is closed. The child writes to its copy.
    int *descriptors;
    int descriptor_count;
    /// RLIMIT_NOFILE; above descriptor_count. The program is started through the descriptor with this number.
    int descriptor_limit;
    /// CLONE_NEW… flags.
    uint64_t namespaces;
    /// Lines for uid_map and gid_map; used with CLONE_NEWUSER.
    const char *user_map;
    const char *group_map;
    /// Whether to become `user` and `group` with exactly `groups`; needs CAP_SETUID and CAP_SETGID.
    int changes_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    int group_count;
    const struct linux_limit *limits;
    int limit_count;
    /// A Landlock ruleset, or -1.
    int ruleset;
    /// The seccomp filter. The child writes its own process number into the instructions listed in `process_slots`.
    struct sock_filter *filter;
    unsigned short filter_length;
    const int *process_slots;
    int process_slot_count;
    /// Whether the filter asks about calls after exec too: the caller then gets the listener.
    int keeps_listener;
};

/// The step at which starting failed.
enum linux_jail_stage {
    linux_jail_armed = 0,
    linux_jail_channel,
    linux_jail_clone,
    linux_jail_session,
    linux_jail_user_map,
    linux_jail_descriptors,
    linux_jail_limits,
    linux_jail_user,
    linux_jail_capabilities,
    linux_jail_privileges,
    linux_jail_parent_death,
    linux_jail_landlock,
    linux_jail_seccomp,
    linux_jail_exec,
};

/// Starts the program and returns its process number once it runs, or -1 with errno and `stage` set.
/// The program is killed when the calling thread ends. `listener` gets the filter's listener, or -1; once that is closed,
/// every call that the filter asks about fails with ENOSYS.
pid_t linux_jail_start(const struct linux_jail *jail, int *pidfd, int *listener, int *stage);

/// Takes the next call that a listener has, and answers an openat(2) with a copy of `descriptor`, any other with EPERM.
/// Returns 1 when the descriptor was given, 0 when not, -1 with errno where the kernel cannot (before Linux 5.9).
int linux_jail_answer_open(int listener, int descriptor);

/// landlock_create_ruleset(2) for these rights; `size` is that of the attribute structure the kernel knows.
int linux_landlock_create(uint64_t files, uint64_t network, uint64_t scopes, unsigned long size);
/// The newest Landlock ABI of this kernel, or -1 and errno.
int linux_landlock_abi(void);
/// landlock_add_rule(2): grants `rights` on the open file or directory and all below it.
int linux_landlock_allow(int ruleset, int descriptor, uint64_t rights);

/// Waits for the child's end and reaps it; `status` gets the exit code or signal, `signaled` 1 for a signal.
int linux_reap(pid_t pid, int *status, int *signaled);

#endif
