// The program that a machine runs once before it is frozen: it makes the system calls that every program makes when it
// starts, so that the kernel's code for them has run. It is its own loader, since most programs have one, and needs no
// library.
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

static long call(long number, long a, long b, long c, long d, long e, long f) {
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
#define CALL(name, a, b, c, d) call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static char buffer[16384];

// What a loader does with each library.
static void map_file(const char *path) {
    struct stat status;
    long file = CALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return;
    CALL(read, file, buffer, 832, 0);
    CALL(pread64, file, buffer, 64, 64);
    CALL(newfstatat, file, "", &status, AT_EMPTY_PATH);
    CALL(fstat, file, &status, 0, 0);
    char *memory = (char *)call(__NR_mmap, 0, 65536, PROT_READ, MAP_PRIVATE, file, 0);
    call(__NR_mmap, (long)memory + 4096, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0);
    char *data = (char *)call(
        __NR_mmap, (long)memory + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0);
    call(__NR_mmap, (long)memory + 12288, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
    buffer[0] = memory[0];
    data[1] = buffer[0];
    memory[12288] = 1;
    CALL(mprotect, data, 4096, PROT_READ, 0);
    CALL(close, file, 0, 0, 0);
    CALL(munmap, memory, 65536, 0, 0);
}

static void handle_files(void) {
    struct stat status;
    CALL(access, "/etc/ld.so.preload", 4, 0, 0);
    CALL(newfstatat, AT_FDCWD, "/etc", &status, 0);
    CALL(newfstatat, AT_FDCWD, "/usr/lib/none", &status, 0);
    CALL(readlink, "/proc/self/exe", buffer, sizeof buffer, 0);
    CALL(getcwd, buffer, sizeof buffer, 0, 0);
    long directory = CALL(openat, AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY, 0);
    CALL(getdents64, directory, buffer, sizeof buffer, 0);
    CALL(getdents64, directory, buffer, sizeof buffer, 0);
    CALL(close, directory, 0, 0, 0);
    long file = CALL(openat, AT_FDCWD, "/tmp/rehearsal", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CALL(write, file, buffer, 8192, 0);
    CALL(lseek, file, 0, 0, 0);
    CALL(read, file, buffer, 8192, 0);
    CALL(fsync, file, 0, 0, 0);
    CALL(close, file, 0, 0, 0);
    CALL(rename, "/tmp/rehearsal", "/tmp/other", 0, 0);
    CALL(unlink, "/tmp/other", 0, 0, 0);
    CALL(openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
    long random = CALL(openat, AT_FDCWD, "/dev/urandom", O_RDONLY, 0);
    CALL(read, random, buffer, 16, 0);
    CALL(close, random, 0, 0, 0);
}

static void handle_processes(void) {
    int ends[2], status;
    struct sigaction action = {0};
    unsigned long set = 0;
    CALL(rt_sigaction, SIGINT, 0, &action, 8);
    CALL(rt_sigprocmask, SIG_SETMASK, &set, 0, 8);
    CALL(pipe2, ends, 0, 0, 0);
    CALL(dup2, ends[1], 20, 0, 0);
    long child = CALL(fork, 0, 0, 0, 0);
    if (child == 0) {
        CALL(write, 20, "x", 1, 0);
        CALL(exit_group, 0, 0, 0, 0);
    }
    CALL(close, ends[1], 0, 0, 0);
    CALL(close, 20, 0, 0, 0);
    CALL(read, ends[0], buffer, 16, 0);
    CALL(wait4, child, &status, 0, 0);
}

__attribute__((used)) static void start(void) {
    CALL(brk, 0, 0, 0, 0);
    long end = CALL(brk, 0, 0, 0, 0);
    CALL(brk, end + 65536, 0, 0, 0);
    *(volatile char *)end = 1;
    CALL(arch_prctl, 0x1002, buffer, 0, 0);
    CALL(set_tid_address, buffer, 0, 0, 0);
    CALL(set_robust_list, buffer, 24, 0, 0);
    CALL(prlimit64, 0, 3, 0, buffer);
    CALL(getrandom, buffer, 8, 1, 0);
    CALL(getuid, 0, 0, 0, 0);
    CALL(uname, buffer, 0, 0, 0);
    CALL(sysinfo, buffer, 0, 0, 0);
    CALL(clock_gettime, 0, buffer, 0, 0);
    map_file("/proc/self/exe");
    map_file("/etc/passwd");
    handle_files();
    handle_processes();
    CALL(ioctl, 1, 0x5401, buffer, 0);
    const char *text = "rehearsed\n";
    __asm__("" : "+r"(text));  // an address that is found where it is needed: nobody relocates this program
    struct iovec part = {(void *)text, 10};
    CALL(writev, 1, &part, 1, 0);
    CALL(exit_group, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: and $-16, %rsp\n call start\n hlt");
