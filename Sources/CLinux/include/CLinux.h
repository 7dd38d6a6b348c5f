// Linux calls that Swift cannot reach: macros, variadic functions and code that must be async-signal-safe.
#ifndef CLINUX_H
#define CLINUX_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "files.h"
#include "jail.h"
#include "kvm.h"
#include "network.h"
#include "wall.h"

/// O_PATH of open(2): a descriptor that only names a file.
static const int linux_open_path = 010000000;
/// fcntl(2) with an integer argument; returns -1 and sets errno.
int linux_fcntl(int descriptor, int command, long argument);
/// openat(2) with O_CLOEXEC always set; returns -1 and sets errno.
int linux_openat(int directory, const char *path, int flags, mode_t mode);
/// pipe2(2), both ends close-on-exec.
int linux_pipe(int ends[2]);
/// memfd_create(2), close-on-exec.
int linux_memfd(const char *name, unsigned int flags);
/// signalfd(2), close-on-exec.
int linux_signalfd(const sigset_t *signals);
/// eventfd(2), close-on-exec.
int linux_eventfd(bool blocking);
/// TIOCGWINSZ of ioctl_tty(2): rows and columns of a terminal.
int linux_terminal_size(int descriptor, uint16_t *rows, uint16_t *columns);
/// pidfd_open(2).
int linux_pidfd_open(pid_t pid);
/// pidfd_send_signal(2).
int linux_pidfd_send_signal(int pidfd, int signal);
/// copy_file_range(2) between explicit offsets of both descriptors; does not move file positions.
ssize_t linux_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count);
/// send(2) on a unix socket, never waiting and without a signal; `passed` goes along unless it is negative.
ssize_t linux_send(int socket, const void *bytes, size_t count, int passed);
/// sendmsg(2) of one message with up to two descriptors, without a signal; `waits` says whether it may wait for room.
ssize_t linux_send_message(int socket, const void *bytes, size_t count, const int *passed, int passed_count,
                           bool waits);
/// recvmsg(2) of one message with up to two descriptors, close-on-exec; `passed` gets them, -1 where there is none. A
/// message that does not fit, or comes with more, fails with EMSGSIZE and is gone with its descriptors.
ssize_t linux_receive_message(int socket, void *bytes, size_t count, int passed[2], bool waits);
/// memmem(3): where `pattern` first is in `bytes`, or NULL.
const void *linux_find_bytes(const void *bytes, size_t count, const void *pattern, size_t pattern_count);
/// A timer of timerfd_create(2) on which read(2) fails with ECANCELED when the wall clock was set, or has gone on after the
/// host slept; close-on-exec.
int linux_clock_watch(void);
/// The processor's time stamp counter and the monotonic clock in nanoseconds, read at one moment as nearly as can be.
void linux_read_counter(uint64_t *ticks, uint64_t *nanoseconds);
/// Makes `to` share all blocks of `from` (FICLONE of ioctl_ficlone(2)).
int linux_clone_file(int from, int to);

#endif
