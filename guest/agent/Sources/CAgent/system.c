#define _GNU_SOURCE
#include "agent_system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
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

int agent_bring_up(const char *interface) {
    struct ifreq request = {0};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
    int result = ioctl(descriptor, SIOCGIFFLAGS, &request);
    if (result == 0) {
        request.ifr_flags |= IFF_UP;
        result = ioctl(descriptor, SIOCSIFFLAGS, &request);
    }
    int error = errno;
    close(descriptor);
    errno = error;
    return result;
}

static int with_interface(const char *interface, unsigned long command, struct ifreq *request) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    strncpy(request->ifr_name, interface, sizeof request->ifr_name - 1);
    int result = ioctl(descriptor, command, request);
    int error = errno;
    close(descriptor);
    errno = error;
    return result;
}

int agent_set_hardware_address(const char *interface, const uint8_t *address) {
    struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
    memcpy(request.ifr_hwaddr.sa_data, address, 6);
    return with_interface(interface, SIOCSIFHWADDR, &request);
}

int agent_hardware_address(const char *interface, uint8_t *address) {
    struct ifreq request = {0};
    int result = with_interface(interface, SIOCGIFHWADDR, &request);
    if (result == 0) memcpy(address, request.ifr_hwaddr.sa_data, 6);
    return result;
}

struct internet_address {
    int family;
    int prefix;
    size_t length;
    uint8_t bytes[16];
};

// Reads "a.b.c.d/n" or "x:y::z/n"; 0 or -1.
static int parse_address(const char *text, struct internet_address *address) {
    char copy[INET6_ADDRSTRLEN + 5];
    const char *slash = strchr(text, '/');
    errno = EINVAL;
    if (slash == NULL || strlen(text) >= sizeof copy) return -1;
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = 0;
    address->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    address->length = address->family == AF_INET ? 4 : 16;
    char *end;
    long prefix = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end != 0 || prefix < 0 || prefix > (long)address->length * 8) return -1;
    address->prefix = (int)prefix;
    if (inet_pton(address->family, copy, address->bytes) == 1) return 0;
    errno = EINVAL;
    return -1;
}

int agent_add_address(const char *interface, const char *text) {
    struct internet_address address;
    if (parse_address(text, &address) < 0) return -1;
    unsigned index = if_nametoindex(interface);
    if (index == 0) return -1;
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg message;
        struct rtattr attribute;
        uint8_t bytes[16];
        struct rtattr local;
        uint8_t local_bytes[16];
    } request = {
        .header = {.nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
        // Nobody else has it on this network; waiting to find that out would delay every program that uses it.
        .message = {(uint8_t)address.family, (uint8_t)address.prefix, IFA_F_NODAD, RT_SCOPE_UNIVERSE, index},
    };
    size_t used = NLMSG_LENGTH(sizeof request.message);
    for (int type = IFA_ADDRESS; type <= IFA_LOCAL; type++) {
        struct rtattr attribute = {(unsigned short)RTA_LENGTH(address.length), (unsigned short)type};
        memcpy((char *)&request + used, &attribute, sizeof attribute);
        memcpy((char *)&request + used + sizeof attribute, address.bytes, address.length);
        used += RTA_LENGTH(address.length);
    }
    request.header.nlmsg_len = (uint32_t)used;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (descriptor < 0) return -1;
    int error = 0;
    if (send(descriptor, &request, used, 0) < 0 || recv(descriptor, &answer, sizeof answer, 0) < 0) error = errno;
    else if (answer.header.nlmsg_type != NLMSG_ERROR) error = EPROTO;
    else error = -answer.error.error;
    close(descriptor);
    errno = error;
    return error == 0 ? 0 : -1;
}

int agent_has_address(const char *interface, const char *text) {
    struct internet_address address;
    if (parse_address(text, &address) < 0) return -1;
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -1;
    int found = 0;
    for (struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_netmask == NULL || one->ifa_addr->sa_family != address.family ||
            strcmp(one->ifa_name, interface) != 0)
            continue;
        const uint8_t *bytes = address.family == AF_INET
                                   ? (const uint8_t *)&((struct sockaddr_in *)one->ifa_addr)->sin_addr
                                   : (const uint8_t *)&((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr;
        const uint8_t *mask = address.family == AF_INET
                                  ? (const uint8_t *)&((struct sockaddr_in *)one->ifa_netmask)->sin_addr
                                  : (const uint8_t *)&((struct sockaddr_in6 *)one->ifa_netmask)->sin6_addr;
        int prefix = 0;
        for (size_t i = 0; i < address.length; i++) prefix += __builtin_popcount(mask[i]);
        if (prefix == address.prefix && memcmp(bytes, address.bytes, address.length) == 0) found = 1;
    }
    freeifaddrs(all);
    return found;
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
