#define _GNU_SOURCE
#include "agent_system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/random.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

int agent_open_in_root(int root, const char *path, int flags, unsigned mode, int stays_on_mount) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = mode,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (stays_on_mount ? RESOLVE_NO_XDEV : 0),
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int agent_open_tree(int root) {
    return (int)syscall(SYS_open_tree, root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

int agent_synchronize(int directory) { return syncfs(directory); }

int agent_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int agent_add_entropy(int random_device, const void *bytes, size_t count) {
    enum { most = 512 };
    _Alignas(struct rand_pool_info) unsigned char memory[sizeof(struct rand_pool_info) + most];
    struct rand_pool_info *pool = (struct rand_pool_info *)memory;
    if (count > most) {
        errno = EINVAL;
        return -1;
    }
    pool->entropy_count = (int)count * 8;
    pool->buf_size = (int)count;
    memcpy(pool->buf, bytes, count);
    int result = ioctl(random_device, RNDADDENTROPY, pool);
    explicit_bzero(memory, sizeof memory);
    return result < 0 ? -1 : ioctl(random_device, RNDRESEEDCRNG);
}

int agent_open_terminal_peer(int master) {
    int unlocked = 0;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) return -1;
    return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int agent_set_terminal_size(int terminal, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size);
}

int agent_set_terminal_utf8(int terminal) {
    struct termios settings;
    if (tcgetattr(terminal, &settings) < 0) return -1;
    settings.c_iflag |= IUTF8;
    return tcsetattr(terminal, TCSANOW, &settings);
}

int agent_terminal_end_character(int terminal) {
    struct termios settings;
    if (tcgetattr(terminal, &settings) < 0) return -1;
    return settings.c_cc[VEOF];
}

int agent_readable_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) < 0 ? -1 : count;
}

ssize_t agent_move(int pipe, int target, size_t count) {
    return splice(pipe, NULL, target, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

int agent_open_device_events(void) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int descriptor = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (descriptor < 0) return -1;
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

int agent_open_process(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int agent_fork(void) {
    // The raw call: the agent has one thread, so no lock is held, and nothing is registered to run around a fork.
    return (int)syscall(SYS_fork);
}

bool agent_has_attributes(const char *path) { return llistxattr(path, NULL, 0) != 0; }

int agent_device_of(const char *path, uint32_t *major, uint32_t *minor) {
    struct statx status;
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &status) < 0) return -1;
    *major = status.stx_dev_major;
    *minor = status.stx_dev_minor;
    return 0;
}

int agent_leave_mounts(void) { return unshare(CLONE_NEWNS | CLONE_NEWUTS); }

int agent_restart(void) { return reboot(RB_AUTOBOOT); }

int agent_has_bytes(const void *bytes, size_t count, const void *part, size_t part_count) {
    return memmem(bytes, count, part, part_count) != NULL;
}
