// What the first instructions of a thawed process are told, by tables that lie behind them in memory.
#ifndef CCHECKPOINT_RESTORE_H
#define CCHECKPOINT_RESTORE_H

#include <stdint.h>

/// Where the code lies in a thawed process: below everything that a position-independent program has.
#define RESTORE_CODE_ADDRESS 0x10000000UL
/// Where the tables lie, the plan first.
#define RESTORE_PLAN_ADDRESS (RESTORE_CODE_ADDRESS + 0x10000UL)
/// Where the code has its own stack, and how large that is.
#define RESTORE_STACK_ADDRESS (RESTORE_CODE_ADDRESS + 0x400000UL)
#define RESTORE_STACK_SIZE 0x10000UL
/// Behind all of it.
#define RESTORE_END_ADDRESS (RESTORE_STACK_ADDRESS + RESTORE_STACK_SIZE)

/// A range of memory: private, and a copy as soon as it is written.
struct restore_range {
    uint64_t address;
    uint64_t length;
    /// Offset in its source.
    uint64_t offset;
    /// PROT_… of mmap(2).
    uint32_t protection;
    /// 0 for zeros, else 1 and the number of the file: 0 for the program itself.
    uint32_t source;
};

/// A range that the kernel gives to every process, and where the frozen one had it.
struct restore_vdso {
    /// Its distance from the vDSO's first byte.
    int64_t distance;
    uint64_t length;
    uint64_t address;
};

/// What a signal does, as rt_sigaction(2) takes it.
struct restore_signal {
    uint64_t number;
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

/// A thread; the first of them is the process's main one.
struct restore_thread {
    /// A frame as the kernel leaves one for a signal handler; rt_sigreturn(2) makes the registers of it.
    uint64_t frame;
    /// The base of the FS segment: the thread's control block.
    uint64_t control_block;
    /// Where libc keeps the thread's number; cleared by the kernel at its end.
    uint64_t number_address;
    uint64_t robust_list;
    uint64_t robust_list_length;
    char name[16];
};

struct restore_plan {
    struct restore_range *ranges;
    struct restore_vdso *vdso;
    struct restore_signal *signals;
    struct restore_thread *threads;
    uint32_t range_count;
    uint32_t vdso_count;
    uint32_t signal_count;
    uint32_t thread_count;
    /// The descriptors of the files, one after the other, which are closed when the memory is there.
    int32_t first_file;
    int32_t file_count;
};

/// The code, which may be copied to wherever it shall run. It begins with the entry point.
const void *restore_code(uint64_t *length);

#endif
