// What a process takes from itself, for programs that are not started in a jail by another.
#ifndef CLINUX_WALL_H
#define CLINUX_WALL_H

#include <linux/filter.h>
#include <stdint.h>

/// Each returns -1 and sets errno on failure.

/// No new privileges, no core dump and no view into the process for others.
int linux_wall_process(void);
/// Gives up all capabilities but these, the bits of which are numbered as in capabilities(7), below 32.
int linux_wall_capabilities(uint32_t kept);
/// setrlimit(2): soft and hard limit become `value`, or the hard limit where that is lower. Returns what they became.
int64_t linux_wall_limit(int resource, uint64_t value);
/// close_range(2) from `first` to the last.
int linux_wall_close_from(unsigned int first);
/// landlock_restrict_self(2).
int linux_wall_landlock(int ruleset);
/// Puts a seccomp filter on the calling process.
int linux_wall_filter(struct sock_filter *filter, unsigned short length);

#endif
