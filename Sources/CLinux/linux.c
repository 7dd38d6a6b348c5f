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
