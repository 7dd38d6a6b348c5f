#define _GNU_SOURCE
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// Waits until a thread stands. When its process is killed meanwhile, any of the threads that stand already may be the first
// to end, and the main one does not before all others were waited for: so all are waited for, those of this thread only.
// The end of the main thread is the process's, and left to whoever waits for that.
static int wait_stopped(pid_t process, pid_t thread) {
    for (;;) {
        siginfo_t found = {0};
        int kinds = WSTOPPED | WEXITED | __WALL | __WNOTHREAD;
        if (waitid(P_ALL, 0, &found, kinds | WNOWAIT) != 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        int ended = found.si_code != CLD_STOPPED && found.si_code != CLD_TRAPPED;
        pid_t who = found.si_pid;
        if (!(ended && who == process)) {
            while (waitid(P_PID, (id_t)who, &found, kinds) != 0)
                if (errno != EINTR) return -1;
        }
        if (who == thread && !ended) return 0;
        if (!ended) continue;
        // A thread may end by itself; one that stood is killed.
        errno = who == thread ? ESRCH : ECANCELED;
        return -1;
    }
}

int trace_stop(pid_t process, pid_t thread) {
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0) return -1;
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) return -1;
    return wait_stopped(process, thread);
}

int trace_release(pid_t thread) { return (int)ptrace(PTRACE_DETACH, thread, NULL, NULL); }

int trace_registers(pid_t thread, struct user_regs_struct *registers) {
    return (int)ptrace(PTRACE_GETREGS, thread, NULL, registers);
}

ssize_t trace_vectors(pid_t thread, void *buffer, size_t size) {
    struct iovec part = {buffer, size};
    if (ptrace(PTRACE_GETREGSET, thread, (void *)NT_X86_XSTATE, &part) != 0) return -1;
    return (ssize_t)part.iov_len;
}

int trace_signal_mask(pid_t thread, uint64_t *mask) {
    return (int)ptrace(PTRACE_GETSIGMASK, thread, (void *)sizeof *mask, mask);
}

int trace_robust_list(pid_t thread, uint64_t *head, uint64_t *length) {
    void *address = NULL;
    size_t size = 0;
    if (syscall(SYS_get_robust_list, thread, &address, &size) != 0) return -1;
    *head = (uint64_t)address;
    *length = size;
    return 0;
}

// Words of the stopped thread's memory.
static int peek(pid_t thread, uint64_t address, uint64_t *words, int count) {
    for (int i = 0; i < count; i++) {
        errno = 0;
        words[i] = (uint64_t)ptrace(PTRACE_PEEKDATA, thread, (void *)(address + 8 * (uint64_t)i), NULL);
        if (errno != 0) return -1;
    }
    return 0;
}

static int poke(pid_t thread, uint64_t address, const uint64_t *words, int count) {
    for (int i = 0; i < count; i++)
        if (ptrace(PTRACE_POKEDATA, thread, (void *)(address + 8 * (uint64_t)i), (void *)words[i]) != 0) return -1;
    return 0;
}

int trace_signal_action(pid_t process, pid_t thread, int number, uint64_t call, uint64_t scratch, uint64_t action[4]) {
    uint64_t before[4];
    struct user_regs_struct own, changed;
    if (trace_registers(thread, &own) != 0 || peek(thread, scratch, before, 4) != 0) return -1;
    changed = own;
    changed.rip = call;
    changed.rax = SYS_rt_sigaction;
    changed.orig_rax = (unsigned long long)-1;  // not a call that was interrupted
    changed.rdi = (unsigned long long)number;
    changed.rsi = 0;
    changed.rdx = scratch;
    changed.r10 = sizeof(uint64_t);
    int result = -1;
    if (ptrace(PTRACE_SETREGS, thread, NULL, &changed) == 0 && ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL) == 0 &&
        wait_stopped(process, thread) == 0 && trace_registers(thread, &changed) == 0) {
        if (changed.rax == 0 && changed.rip == call + 2) result = peek(thread, scratch, action, 4);
        else errno = EPROTO;
    }
    int error = errno;
    poke(thread, scratch, before, 4);
    ptrace(PTRACE_SETREGS, thread, NULL, &own);
    errno = error;
    return result;
}
