#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int thaw_event(uint64_t count) {
    int event = eventfd(0, EFD_CLOEXEC);
    if (event < 0 || count == 0) return event;
    if (write(event, &count, sizeof count) == sizeof count) return event;
    int error = errno;
    close(event);
    errno = error;
    return -1;
}

int thaw_signals(uint64_t mask) {
    // The raw call: libc's set of signals has another size.
    return (int)syscall(SYS_signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC);
}

int thaw_poll(void) { return epoll_create1(EPOLL_CLOEXEC); }
