#define _GNU_SOURCE
#include "CLinux.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// Older headers lack these numbers; they are the same on every architecture.
#define CALL_CLOSE_RANGE 436
#define CALL_LANDLOCK_RESTRICT 446

int linux_wall_process(void) {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int linux_wall_capabilities(uint32_t kept) {
    // Fails without CAP_SETPCAP: then there is nothing that could come back either.
    for (int capability = 0; capability < 64; capability++)
        if (capability >= 32 || !(kept >> capability & 1)) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) != 0) return -1;
    // What the process never had it does not get.
    uint32_t left = sets[0].permitted & kept;
    sets[0] = (struct __user_cap_data_struct){left, left, 0};
    sets[1] = (struct __user_cap_data_struct){0, 0, 0};
    return (int)syscall(SYS_capset, &header, sets);
}

int64_t linux_wall_limit(int resource, uint64_t value) {
    struct rlimit64 limit;
    if (getrlimit64(resource, &limit) != 0) return -1;
    limit.rlim_max = limit.rlim_max < value ? limit.rlim_max : value;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit64(resource, &limit) == 0 ? (int64_t)limit.rlim_cur : -1;
}

int linux_wall_close_from(unsigned int first) { return (int)syscall(CALL_CLOSE_RANGE, first, ~0U, 0); }

int linux_wall_landlock(int ruleset) { return (int)syscall(CALL_LANDLOCK_RESTRICT, ruleset, 0); }

int linux_wall_filter(struct sock_filter *filter, unsigned short length) {
    struct sock_fprog program = {length, filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
