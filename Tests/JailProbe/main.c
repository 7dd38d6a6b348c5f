// Tries one forbidden thing inside the engine's jail and prints what came of it: "allowed" or the error's name.
// It is started through the same code as an engine; the tests compare what it prints, or how it died.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static long number(const char *text) { return strtol(text, NULL, 10); }

static long open_and_close(const char *path, int flags) {
    int file = open(path, flags, 0600);
    if (file >= 0) close(file);
    return file;
}

static void *nothing(void *argument) { return argument; }

static long make_thread(void) {
    pthread_t thread;
    errno = pthread_create(&thread, NULL, nothing, NULL);
    if (errno != 0) return -1;
    return pthread_join(thread, NULL);
}

static long make_socket(const char *family) {
    int domain = strcmp(family, "unix") == 0     ? AF_UNIX
                 : strcmp(family, "inet") == 0   ? AF_INET
                 : strcmp(family, "inet6") == 0  ? AF_INET6
                 : strcmp(family, "packet") == 0 ? AF_PACKET
                 : strcmp(family, "vsock") == 0  ? AF_VSOCK
                                                 : AF_NETLINK;
    return socket(domain, SOCK_DGRAM, 0);
}

// Descriptor 3 is a socket of this family that the test made and passed: the network, not the lack of a socket, refuses.
static long connect_passed(const char *where) {
    struct sockaddr_in internet = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(where))};
    internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(3, (struct sockaddr *)&internet, sizeof internet);
}

static long run_shell(int by_descriptor) {
    char *const arguments[] = {"sh", "-c", "echo started", NULL};
    char *const environment[] = {NULL};
    if (by_descriptor) return syscall(SYS_execveat, AT_FDCWD, "/bin/sh", arguments, environment, 0);
    return execve("/bin/sh", arguments, environment);
}

static long run_itself(void) {
    char *const arguments[] = {"jail-probe", "nothing", NULL};
    char *const environment[] = {NULL};
    return syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", arguments, environment, 0);
}

static long raise_limit(void) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_FSIZE, &limit);
}

static long send_signal_by_descriptor(long process) {
    if (fcntl(0, F_SETOWN, process) != 0) return -1;
    return fcntl(0, F_SETFL, O_ASYNC);
}

static long try(const char *what, const char *argument) {
    char block[4096] = {0};
    if (strcmp(what, "nothing") == 0) return 0;
    if (strcmp(what, "read") == 0) return open_and_close(argument, O_RDONLY);
    if (strcmp(what, "write") == 0) return open_and_close(argument, O_WRONLY);
    if (strcmp(what, "create") == 0) return open_and_close(argument, O_WRONLY | O_CREAT | O_EXCL);
    if (strcmp(what, "list") == 0) return open_and_close(argument, O_RDONLY | O_DIRECTORY);
    if (strcmp(what, "remove") == 0) return unlink(argument);
    if (strcmp(what, "permit") == 0) return chmod(argument, 0777);
    if (strcmp(what, "thread") == 0) return make_thread();
    if (strcmp(what, "fork") == 0) return fork();
    if (strcmp(what, "clone3") == 0) return syscall(SYS_clone3, block, 88);
    if (strcmp(what, "clone-user") == 0) return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
    if (strcmp(what, "socket") == 0) return make_socket(argument);
    if (strcmp(what, "connect") == 0) return connect_passed(argument);
    if (strcmp(what, "bind") == 0) return bind(3, (struct sockaddr *)block, sizeof(sa_family_t));
    if (strcmp(what, "kill") == 0) return kill((pid_t)number(argument), 0);
    if (strcmp(what, "tgkill") == 0) return syscall(SYS_tgkill, number(argument), number(argument), SIGURG);
    if (strcmp(what, "tgkill-self") == 0) return syscall(SYS_tgkill, getpid(), gettid(), SIGURG);
    if (strcmp(what, "signal-owner") == 0) return send_signal_by_descriptor(number(argument));
    if (strcmp(what, "outlive") == 0) return prctl(PR_SET_PDEATHSIG, 0);
    if (strcmp(what, "exec") == 0) return run_shell(0);
    if (strcmp(what, "execveat") == 0) return run_shell(1);
    if (strcmp(what, "exec-itself") == 0) return run_itself();
    if (strcmp(what, "raise-limit") == 0) return raise_limit();
    if (strcmp(what, "write-at") == 0) return pwrite(3, block, 1, number(argument)) == 1 ? 0 : -1;
    if (strcmp(what, "ptrace") == 0) return ptrace(PTRACE_ATTACH, number(argument), NULL, NULL);
    if (strcmp(what, "read-memory") == 0) return syscall(SYS_process_vm_readv, number(argument), NULL, 0, NULL, 0, 0);
    if (strcmp(what, "mount") == 0) return mount("none", "/tmp", "tmpfs", 0, NULL);
    if (strcmp(what, "unshare") == 0) return unshare(CLONE_NEWUSER);
    if (strcmp(what, "setns") == 0) return setns(0, 0);
    if (strcmp(what, "bpf") == 0) return syscall(SYS_bpf, 0, block, 64);
    if (strcmp(what, "io_uring") == 0) return syscall(SYS_io_uring_setup, 8, block);
    if (strcmp(what, "userfaultfd") == 0) return syscall(SYS_userfaultfd, 0);
    if (strcmp(what, "perf") == 0) return syscall(SYS_perf_event_open, block, 0, -1, -1, 0);
    if (strcmp(what, "keyctl") == 0) return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
    if (strcmp(what, "module") == 0) return syscall(SYS_finit_module, 0, "", 0);
    if (strcmp(what, "kexec") == 0) return syscall(SYS_kexec_load, 0, 0, NULL, 0);
    if (strcmp(what, "setuid") == 0) return setuid(0);
    if (strcmp(what, "memfd") == 0) return syscall(SYS_memfd_create, "x", 0);
    if (strcmp(what, "x32") == 0) return syscall(0x40000000 | SYS_getpid);
    if (strcmp(what, "i386") == 0) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
        return result;
    }
    printf("unknown: %s\n", what);
    exit(2);
}

// Waits until the test has looked at this process from outside.
static void wait_for_test(void) {
    char byte;
    printf("ready\n");
    fflush(stdout);
    while (read(3, &byte, 1) < 0 && errno == EINTR) continue;
}

// What an engine may do that its guest has taken over: descriptor 3 is its control socket.
static void write_for_ever(int descriptor, const char *text) {
    while (write(descriptor, text, strlen(text)) > 0) continue;
}

static void write_much(int descriptor) {
    char block[65536];
    memset(block, '\033', sizeof block);
    for (int i = 0; i < 320; i++)
        if (write(descriptor, block, sizeof block) < 0) break;
    dprintf(descriptor, "the last words\n");
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "nothing", *argument = count > 2 ? arguments[2] : "";
    if (strcmp(what, "wait") == 0) {
        wait_for_test();
    } else if (strcmp(what, "control") == 0) {
        write_for_ever(3, argument);
    } else if (strcmp(what, "lie") == 0) {
        dprintf(3, "%s\n", argument);
    } else if (strcmp(what, "silence") == 0) {
        pause();
    } else if (strcmp(what, "flood") == 0) {
        write_much(2);
    } else if (strcmp(what, "core") == 0) {
        abort();
    } else {
        errno = 0;
        long result = try(what, argument);
        printf("%s\n", result >= 0 ? "allowed" : strerrorname_np(errno));
    }
    return 0;
}
