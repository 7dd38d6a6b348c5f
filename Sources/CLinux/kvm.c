#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREPARATION_LIMIT 2000
#define GUEST_MEMORY 0x8000

// Guest memory: code at 0, page tables that map the first 2 MiB onto themselves above it.
#define TABLE_4 0x1000
#define TABLE_3 0x2000
#define TABLE_2 0x3000

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void report(int channel, int stage, int number, int64_t duration) {
    struct linux_kvm_trial trial = {stage, number, duration};
    if (write(channel, &trial, sizeof trial) != sizeof trial) _exit(1);
}

static void fail(int channel, int stage, int number) {
    report(channel, stage, number, 0);
    _exit(1);
}

static void enter_long_mode(struct kvm_sregs *registers) {
    struct kvm_segment code = {.base = 0, .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.base = 0, .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    registers->cs = code;
    registers->ds = registers->es = registers->fs = registers->gs = registers->ss = data;
    registers->cr3 = TABLE_4;
    registers->cr4 = 1 << 5;                             // physical address extension
    registers->cr0 = 1 | 1 << 1 | 1 << 4 | 1U << 31;     // protection, monitor coprocessor, extension type, paging
    registers->efer = 1 << 8 | 1 << 10;                  // long mode enabled and active
}

// Runs in the child: system calls only, since the parent may have had other threads.
static void run_trial(int channel, uint32_t iterations) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int device = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (device < 0) fail(channel, linux_kvm_open, errno);
    int version = ioctl(device, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) fail(channel, linux_kvm_version, version < 0 ? errno : 0);
    int machine = ioctl(device, KVM_CREATE_VM, 0);
    if (machine < 0) fail(channel, linux_kvm_create, errno);

    uint8_t *memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail(channel, linux_kvm_memory, errno);
    // mov ecx, iterations; 1: dec rcx; jnz 1b; hlt
    uint8_t code[] = {0xb9, 0, 0, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4};
    memcpy(code + 1, &iterations, sizeof iterations);
    memcpy(memory, code, sizeof code);
    *(uint64_t *)(memory + TABLE_4) = TABLE_3 | 3;
    *(uint64_t *)(memory + TABLE_3) = TABLE_2 | 3;
    *(uint64_t *)(memory + TABLE_2) = 0x83;
    struct kvm_userspace_memory_region region = {0, 0, 0, GUEST_MEMORY, (uint64_t)(uintptr_t)memory};
    if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) != 0) fail(channel, linux_kvm_memory, errno);

    int processor = ioctl(machine, KVM_CREATE_VCPU, 0);
    if (processor < 0) fail(channel, linux_kvm_processor, errno);
    int size = ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < (int)sizeof(struct kvm_run)) fail(channel, linux_kvm_processor, errno);
    struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, processor, 0);
    if (run == MAP_FAILED) fail(channel, linux_kvm_processor, errno);
    struct kvm_sregs special;
    if (ioctl(processor, KVM_GET_SREGS, &special) != 0) fail(channel, linux_kvm_processor, errno);
    enter_long_mode(&special);
    struct kvm_regs registers = {.rip = 0, .rsp = GUEST_MEMORY, .rflags = 2};
    if (ioctl(processor, KVM_SET_SREGS, &special) != 0 || ioctl(processor, KVM_SET_REGS, &registers) != 0)
        fail(channel, linux_kvm_processor, errno);

    report(channel, linux_kvm_run, 0, 0);
    int64_t start = now();
    if (ioctl(processor, KVM_RUN, 0) != 0) fail(channel, linux_kvm_run, errno);
    int64_t duration = now() - start;
    if (run->exit_reason != KVM_EXIT_HLT) fail(channel, linux_kvm_exit, (int)run->exit_reason);
    report(channel, linux_kvm_done, 0, duration);
    _exit(0);
}

// The child's next report; linux_kvm_time when none comes within `limit` milliseconds.
static struct linux_kvm_trial next_report(int channel, int limit) {
    struct linux_kvm_trial trial = {linux_kvm_child, ECHILD, 0};
    int64_t end = now() + limit * 1000000LL;
    struct pollfd wait = {channel, POLLIN, 0};
    int ready;
    do {
        int64_t rest = (end - now() + 999999) / 1000000;
        ready = poll(&wait, 1, rest > 0 ? (int)rest : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) trial.stage = linux_kvm_time;
    if (ready == 1 && read(channel, &trial, sizeof trial) != sizeof trial) trial.stage = linux_kvm_child;
    return trial;
}

struct linux_kvm_trial linux_kvm_try(uint32_t iterations, int limit) {
    struct linux_kvm_trial trial = {linux_kvm_child, 0, 0};
    int channel[2];
    if (pipe2(channel, O_CLOEXEC) != 0) {
        trial.number = errno;
        return trial;
    }
    pid_t child = fork();
    if (child == 0) run_trial(channel[1], iterations);
    trial.number = errno;
    close(channel[1]);
    if (child > 0) {
        trial = next_report(channel[0], PREPARATION_LIMIT);
        if (trial.stage == linux_kvm_run && trial.number == 0) trial = next_report(channel[0], limit);
        kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    }
    close(channel[0]);
    return trial;
}
