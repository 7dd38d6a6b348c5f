#define _GNU_SOURCE
#include "restore.h"

#include <elf.h>
#include <linux/mman.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>

// Everything here runs in a process that has no C library, no stack protector and no data but what the plan names, at an
// address that the linker does not know: only calls within this section, and no constants that a compiler would put
// elsewhere.
#define CODE __attribute__((section("restore_text"), used, noinline, no_stack_protector))
#define INLINE static inline __attribute__((always_inline))

extern const char __start_restore_text[], __stop_restore_text[];

// The process's first instructions. The stack that execve(2) has made is only read: it may lie where memory goes.
__asm__(".pushsection restore_text,\"ax\",@progbits\n"
        "  .balign 16\n"
        "restore_entry:\n"
        "  mov %rsp, %rsi\n"
        "  lea restore_entry(%rip), %rdi\n"
        "  lea 0x10000(%rdi), %rdi\n"
        "  lea 0x400000(%rdi), %rsp\n"
        "  call restore_process\n"
        "  hlt\n"
        ".popsection");

INLINE long call6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
INLINE long call3(long number, long a, long b, long c) { return call6(number, a, b, c, 0, 0, 0); }

// Ends the process; the code tells where.
#define REQUIRE(holds, code) \
    do { \
        if (!(holds)) call3(SYS_exit_group, code, 0, 0); \
    } while (0)

// What execve(2) has said of the process, by its number.
CODE static unsigned long find(const unsigned long *stack, unsigned long kind) {
    const unsigned long *word = stack + 1 + stack[0] + 1;
    while (*word) word++;
    for (word++; word[0] != AT_NULL; word += 2)
        if (word[0] == kind) return word[1];
    return 0;
}

// Takes away the stack that execve(2) has made. At its end lies the program's name; below it the kernel leaves room for
// it to grow, and places nothing there.
CODE static void remove_stack(const unsigned long *stack) {
    // Volatile, or the compiler would call strlen, which is not there.
    const volatile char *name = (const volatile char *)find(stack, AT_EXECFN);
    REQUIRE(name != 0, 118);
    while (*name) name++;
    unsigned long end = ((unsigned long)name + 1 + 8 + 4095) & ~4095UL;
    REQUIRE(call3(SYS_munmap, (long)(end - (64UL << 20)), 64L << 20, 0) == 0, 119);
}

CODE static void start_thread(const struct restore_thread *thread) {
    long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                 CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    register long r10 __asm__("r10") = (long)thread->number_address;
    register long r8 __asm__("r8") = (long)thread->control_block;
    register long head __asm__("r12") = (long)thread->robust_list;
    register long length __asm__("r13") = (long)thread->robust_list_length;
    register long name __asm__("r14") = (long)thread->name;
    long result;
    // The new thread's stack pointer is where rt_sigreturn looks for the frame: it must not push.
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "mov %[robust], %%eax\n"
                     "mov %%r12, %%rdi\n"
                     "mov %%r13, %%rsi\n"
                     "syscall\n"
                     "mov %[control], %%eax\n"
                     "mov $15, %%edi\n"
                     "mov %%r14, %%rsi\n"
                     "syscall\n"
                     "mov %[back], %%eax\n"
                     "syscall\n"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone), "D"(flags), "S"(thread->frame + 8), "d"(0L), "r"(r10), "r"(r8), "r"(head),
                       "r"(length), "r"(name), [robust] "i"(SYS_set_robust_list), [control] "i"(SYS_prctl),
                       [back] "i"(SYS_rt_sigreturn)
                     : "rcx", "r11", "memory");
    REQUIRE(result > 0, 116);
}

CODE static void become(const struct restore_thread *thread) {
    REQUIRE(call3(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, (long)thread->control_block, 0) == 0, 117);
    *(int *)thread->number_address = (int)call3(SYS_set_tid_address, (long)thread->number_address, 0, 0);
    call3(SYS_set_robust_list, (long)thread->robust_list, (long)thread->robust_list_length, 0);
    call3(SYS_prctl, 15 /* PR_SET_NAME */, (long)thread->name, 0);
    __asm__ volatile("mov %0, %%rsp\n"
                     "syscall\n"
                     "hlt" ::"r"(thread->frame + 8),
                     "a"((long)SYS_rt_sigreturn)
                     : "memory");
    __builtin_unreachable();
}

CODE static void restore_process(const struct restore_plan *plan, const unsigned long *stack) {
    unsigned long vdso = find(stack, AT_SYSINFO_EHDR);
    REQUIRE(vdso != 0, 111);
    remove_stack(stack);
    for (uint32_t i = 0; i < plan->vdso_count; i++) {
        const struct restore_vdso *part = &plan->vdso[i];
        long from = (long)vdso + part->distance;
        if (from == (long)part->address) continue;
        long to = call6(SYS_mremap, from, (long)part->length, (long)part->length, 3 /* MAYMOVE | FIXED */,
                        (long)part->address, 0);
        REQUIRE(to == (long)part->address, 112);
    }
    for (uint32_t i = 0; i < plan->range_count; i++) {
        const struct restore_range *range = &plan->ranges[i];
        long flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_NORESERVE, file = -1;
        if (range->source == 0) flags |= MAP_ANONYMOUS;
        else file = plan->first_file + (long)range->source - 1;
        long to = call6(SYS_mmap, (long)range->address, (long)range->length, range->protection, flags, file,
                        (long)range->offset);
        REQUIRE(to == (long)range->address, 113);
    }
    for (int32_t i = 0; i < plan->file_count; i++) call3(SYS_close, plan->first_file + i, 0, 0);
    for (uint32_t i = 0; i < plan->signal_count; i++) {
        const struct restore_signal *action = &plan->signals[i];
        REQUIRE(call6(SYS_rt_sigaction, (long)action->number, (long)&action->handler, 0, 8, 0, 0) == 0, 114);
    }
    for (uint32_t i = 1; i < plan->thread_count; i++) start_thread(&plan->threads[i]);
    become(&plan->threads[0]);
}

const void *restore_code(uint64_t *length) {
    *length = (uint64_t)(__stop_restore_text - __start_restore_text);
    return __start_restore_text;
}
