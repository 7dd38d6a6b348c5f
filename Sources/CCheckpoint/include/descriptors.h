// Descriptors that are made anew for a thawed process, since no other process can give them.
#ifndef CCHECKPOINT_DESCRIPTORS_H
#define CCHECKPOINT_DESCRIPTORS_H

#include <stdint.h>

/// eventfd(2) with this count, close-on-exec.
int thaw_event(uint64_t count);
/// signalfd(2) for a set of signals (bit 0 is signal 1), close-on-exec; the signals are not blocked by this.
int thaw_signals(uint64_t mask);
/// epoll_create1(2), close-on-exec.
int thaw_poll(void);

#endif
