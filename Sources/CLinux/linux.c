#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

int linux_fcntl(int descriptor, int command, long argument) { return fcntl(descriptor, command, argument); }

int linux_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

int linux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int linux_memfd(const char *name, unsigned int flags) { return memfd_create(name, flags | MFD_CLOEXEC); }

int linux_signalfd(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC); }

int linux_eventfd(bool blocking) { return eventfd(0, EFD_CLOEXEC | (blocking ? 0 : EFD_NONBLOCK)); }

int linux_terminal_size(int descriptor, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int linux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int linux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}

ssize_t linux_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count) {
    loff_t source = from_offset, target = to_offset;
    return copy_file_range(from, &source, to, &target, count, 0);
}

int linux_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }

ssize_t linux_send(int socket, const void *bytes, size_t count, int passed) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {{CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t linux_send_message(int socket, const void *bytes, size_t count, const int *passed, int passed_count,
                           bool waits) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {{0}};
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed_count < 0 || passed_count > 2) {
        errno = EINVAL;
        return -1;
    }
    if (passed_count > 0) {
        size_t size = (size_t)passed_count * sizeof(int);
        control.header = (struct cmsghdr){CMSG_LEN(size), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), passed, size);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    } while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t linux_receive_message(int socket, void *bytes, size_t count, int passed[2], bool waits) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec part = {bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    passed[0] = passed[1] = -1;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    size_t seen = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < descriptors; i++, seen++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            if (seen < 2) {
                passed[seen] = descriptor;
            } else {
                close(descriptor);
            }
        }
    }
    if (seen > 2 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        for (int i = 0; i < 2; i++) {
            if (passed[i] >= 0) close(passed[i]);
            passed[i] = -1;
        }
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}

const void *linux_find_bytes(const void *bytes, size_t count, const void *pattern, size_t pattern_count) {
    return memmem(bytes, count, pattern, pattern_count);
}

void linux_read_counter(uint64_t *ticks, uint64_t *nanoseconds) {
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        struct timespec time;
        uint64_t before = __builtin_ia32_rdtsc();
        clock_gettime(CLOCK_MONOTONIC, &time);
        uint64_t after = __builtin_ia32_rdtsc();
        // An interruption shows as a longer time between the two.
        if (after - before >= best) continue;
        best = after - before;
        *ticks = before + best / 2;
        *nanoseconds = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    }
}

int linux_clock_watch(void) {
    int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
    // Far from now: only its cancellation is of interest.
    struct itimerspec never = {.it_value = {.tv_sec = INT64_C(1) << 40}};
    if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0) return timer;
    int error = errno;
    close(timer);
    errno = error;
    return -1;
}
