// The calls of ptrace(2) by which a stopped process is read. All of one process are made by one thread.
#ifndef CCHECKPOINT_TRACE_H
#define CCHECKPOINT_TRACE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/// Attaches to a thread of a process and waits until it stands. -1 and errno otherwise: ESRCH when the thread ended,
/// ECANCELED when the process was killed.
int trace_stop(pid_t process, pid_t thread);
/// Lets a thread go on.
int trace_release(pid_t thread);
/// The registers of a stopped thread.
int trace_registers(pid_t thread, struct user_regs_struct *registers);
/// Its vector and floating point registers in the layout of XSAVE; their size.
ssize_t trace_vectors(pid_t thread, void *buffer, size_t size);
/// The signals it blocks.
int trace_signal_mask(pid_t thread, uint64_t *mask);
/// Where its list of robust futexes begins, and the length of the head. See get_robust_list(2).
int trace_robust_list(pid_t thread, uint64_t *head, uint64_t *length);
/// What a signal does in the process: 4 words, as rt_sigaction(2) gives them. The stopped thread makes the call; `call` is
/// the address of a syscall instruction, `scratch` of 32 bytes that it may overwrite and that are put back.
int trace_signal_action(
    pid_t process, pid_t thread, int number, uint64_t call, uint64_t scratch, uint64_t action[4]);

#endif
