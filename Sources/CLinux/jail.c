#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Older headers lack these numbers; they are the same on every architecture.
#define CALL_LANDLOCK_CREATE 444
#define CALL_LANDLOCK_ADD 445
#define CALL_LANDLOCK_RESTRICT 446
#define CALL_CLOSE_RANGE 436

struct report {
    int stage;
    int number;
};

// Only raw system calls from here on: the child of a process with many threads may hold any of libc's locks.

static void fail(int channel, int stage) {
    struct report report = {stage, errno};
    syscall(SYS_write, channel, &report, sizeof report);
    syscall(SYS_exit_group, 127);
}

union descriptor_message {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static int send_descriptor(int channel, int descriptor) {
    struct report report = {linux_jail_armed, 0};
    union descriptor_message control = {{CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    struct iovec part = {&report, sizeof report};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    return syscall(SYS_sendmsg, channel, &message, MSG_NOSIGNAL) == sizeof report ? 0 : -1;
}

static int write_file(const char *path, const char *text) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (file < 0) return -1;
    size_t length = strlen(text);
    int written = syscall(SYS_write, file, text, length) == (long)length;
    int number = errno;
    syscall(SYS_close, file);
    errno = number;
    return written ? 0 : -1;
}

static int set_limit(int resource, uint64_t value) {
    struct rlimit64 limit = {value, value};
    return (int)syscall(SYS_prlimit64, 0, resource, &limit, NULL);
}

// Default actions and an empty mask, but for SIGXFSZ: a write past RLIMIT_FSIZE must fail with EFBIG, not kill.
static void reset_signals(void) {
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } action = {NULL, 0, NULL, 0};
    for (int signal = 1; signal <= 64; signal++) {
        action.handler = signal == SIGXFSZ ? (void *)SIG_IGN : (void *)SIG_DFL;
        syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof(uint64_t));
    }
    uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

// Descriptors 0 … count-1 are those passed; the program, the channel and the ruleset come at and above the limit,
// where nothing can be opened any more once exec has closed them.
static int arrange_descriptors(const struct linux_jail *jail, int *channel) {
    struct rlimit64 limit;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) != 0) return -1;
    limit.rlim_cur = limit.rlim_max;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL) != 0) return -1;

    int first = jail->descriptor_limit, clear = first + 3;
    int moved = (int)syscall(SYS_fcntl, *channel, F_DUPFD_CLOEXEC, clear);
    if (moved < 0) return -1;
    *channel = moved;
    int executable = (int)syscall(SYS_fcntl, jail->executable, F_DUPFD_CLOEXEC, clear);
    if (executable < 0) return -1;
    int ruleset = jail->ruleset;
    if (ruleset >= 0 && (ruleset = (int)syscall(SYS_fcntl, ruleset, F_DUPFD_CLOEXEC, clear)) < 0) return -1;
    for (int i = 0; i < jail->descriptor_count; i++) {
        jail->descriptors[i] = (int)syscall(SYS_fcntl, jail->descriptors[i], F_DUPFD_CLOEXEC, clear);
        if (jail->descriptors[i] < 0) return -1;
    }

    for (int i = 0; i < jail->descriptor_count; i++)
        if (syscall(SYS_dup3, jail->descriptors[i], i, 0) < 0) return -1;
    if (syscall(SYS_dup3, executable, first, O_CLOEXEC) < 0) return -1;
    if (syscall(SYS_dup3, *channel, first + 1, O_CLOEXEC) < 0) return -1;
    *channel = first + 1;
    if (ruleset >= 0 && syscall(SYS_dup3, ruleset, first + 2, O_CLOEXEC) < 0) return -1;

    if (syscall(CALL_CLOSE_RANGE, jail->descriptor_count, first - 1, 0) != 0) return -1;
    return (int)syscall(CALL_CLOSE_RANGE, clear, ~0U, 0);
}

static int drop_capabilities(void) {
    // Fails with EPERM without CAP_SETPCAP: then there was nothing that exec could give back either.
    for (int capability = 0; capability < 64; capability++)
        syscall(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
    return 0;
}

static int clear_capabilities(void) {
    syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, none);
}

static void run_child(const struct linux_jail *jail, int channel) {
    reset_signals();
    if (syscall(SYS_setsid) < 0) fail(channel, linux_jail_session);
    if (jail->namespaces & CLONE_NEWUSER) {
        if (write_file("/proc/self/setgroups", "deny") != 0 || write_file("/proc/self/uid_map", jail->user_map) != 0 ||
            write_file("/proc/self/gid_map", jail->group_map) != 0)
            fail(channel, linux_jail_user_map);
    }
    if (arrange_descriptors(jail, &channel) != 0) fail(channel, linux_jail_descriptors);
    syscall(SYS_umask, 077);
    if (syscall(SYS_chdir, "/") != 0) fail(channel, linux_jail_session);

    for (int i = 0; i < jail->limit_count; i++)
        if (set_limit(jail->limits[i].resource, jail->limits[i].value) != 0) fail(channel, linux_jail_limits);
    if (set_limit(RLIMIT_NOFILE, (uint64_t)jail->descriptor_limit) != 0) fail(channel, linux_jail_limits);

    drop_capabilities();
    if (jail->changes_user) {
        if (syscall(SYS_setgroups, jail->group_count, jail->groups) != 0 ||
            syscall(SYS_setresgid, jail->group, jail->group, jail->group) != 0 ||
            syscall(SYS_setresuid, jail->user, jail->user, jail->user) != 0)
            fail(channel, linux_jail_user);
    }
    if (clear_capabilities() != 0) fail(channel, linux_jail_capabilities);
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(channel, linux_jail_privileges);

    // After the change of user, which clears it. The parent answers only while the thread that this is tied to
    // lives: with the answer here the signal is sure to come, without one the parent is gone already.
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail(channel, linux_jail_parent_death);
    struct report armed = {linux_jail_armed, 0};
    if (syscall(SYS_write, channel, &armed, sizeof armed) != sizeof armed) syscall(SYS_exit_group, 127);
    char answer;
    if (syscall(SYS_read, channel, &answer, 1) != 1) syscall(SYS_exit_group, 127);

    if (jail->ruleset >= 0 && syscall(CALL_LANDLOCK_RESTRICT, jail->descriptor_limit + 2, 0) != 0)
        fail(channel, linux_jail_landlock);
    int self = (int)syscall(SYS_getpid);
    for (int i = 0; i < jail->process_slot_count; i++) jail->filter[jail->process_slots[i]].k = (uint32_t)self;
    struct sock_fprog program = {jail->filter_length, jail->filter};
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0 || send_descriptor(channel, listener) != 0) fail(channel, linux_jail_seccomp);

    char *const environment[] = {NULL};
    syscall(SYS_execveat, jail->descriptor_limit, "", jail->arguments, environment, AT_EMPTY_PATH);
    fail(channel, linux_jail_exec);
}

// End of the code that runs in the child.

// Takes the child's next report, and with it a descriptor if one came.
static int receive(int channel, struct report *report, int *descriptor) {
    union descriptor_message control;
    struct iovec part = {report, sizeof *report};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count;
    do count = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    *descriptor = -1;
    struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    return (int)count;
}

static int receive_call(int listener, struct seccomp_notif *call) {
    int result;
    do {
        memset(call, 0, sizeof *call);
        result = ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call);
    } while (result != 0 && errno == EINTR);
    return result;
}

// Lets the child's one exec pass. The kernel refuses every later one once the listener is closed.
static int let_exec_pass(int listener, int pidfd) {
    struct pollfd wait[] = {{listener, POLLIN, 0}, {pidfd, POLLIN, 0}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR) continue;
    struct seccomp_notif call;
    if (!(wait[0].revents & POLLIN) || receive_call(listener, &call) != 0) return -1;
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

int linux_jail_answer_open(int listener, int descriptor) {
    struct seccomp_notif call;
    // The caller may have been killed meanwhile.
    if (receive_call(listener, &call) != 0) return errno == ENOENT ? 0 : -1;
    struct seccomp_notif_resp answer = {.id = call.id, .error = -EPERM};
    int number = 0, given = 0;
    if (call.data.nr == SYS_openat) {
        struct seccomp_notif_addfd passed = {.id = call.id, .srcfd = (uint32_t)descriptor};
        int there = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &passed);
        if (there >= 0) {
            answer = (struct seccomp_notif_resp){.id = call.id, .val = there};
            given = 1;
        } else {
            number = errno;
        }
    }
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT) return -1;
    if (number == 0) return given;
    errno = number;
    return -1;
}

pid_t linux_jail_start(const struct linux_jail *jail, int *pidfd, int *kept_listener, int *stage) {
    int channel[2];
    *stage = linux_jail_channel;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) return -1;

    // No handler of ours may run in the child, where the memory it works on is a copy.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *stage = linux_jail_clone;
    pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)jail->namespaces | CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, 0);
    if (pid == 0) run_child(jail, channel[1]);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(channel[1]);
    if (pid < 0) {
        close(channel[0]);
        errno = number;
        return -1;
    }

    struct report report = {linux_jail_channel, ECHILD};
    int listener = -1;
    *kept_listener = -1;
    int count = receive(channel[0], &report, &listener);
    if (count == sizeof report && report.stage == linux_jail_armed && send(channel[0], "g", 1, MSG_NOSIGNAL) == 1)
        count = receive(channel[0], &report, &listener);
    if (count == sizeof report && listener >= 0) {
        int passed = let_exec_pass(listener, *pidfd) == 0;
        *kept_listener = jail->keeps_listener && passed ? listener : -1;
        if (*kept_listener < 0) close(listener);
        report = (struct report){linux_jail_exec, ECHILD};
        // The end of the channel without a report: exec has closed the child's side, the program runs.
        if (passed && receive(channel[0], &report, &listener) == 0) {
            close(channel[0]);
            return pid;
        }
        if (*kept_listener >= 0) close(*kept_listener);
    }
    close(channel[0]);
    kill(pid, SIGKILL);
    int status, signaled;
    linux_reap(pid, &status, &signaled);
    close(*pidfd);
    *stage = report.stage;
    errno = report.number;
    return -1;
}

int linux_reap(pid_t pid, int *status, int *signaled) {
    siginfo_t information;
    int result;
    do result = waitid(P_PID, (id_t)pid, &information, WEXITED | __WALL);
    while (result != 0 && errno == EINTR);
    if (result != 0) return -1;
    *status = information.si_status;
    *signaled = information.si_code != CLD_EXITED;
    return 0;
}

int linux_landlock_create(uint64_t files, uint64_t network, uint64_t scopes, unsigned long size) {
    uint64_t attributes[3] = {files, network, scopes};
    return (int)syscall(CALL_LANDLOCK_CREATE, attributes, size, 0);
}

int linux_landlock_abi(void) { return (int)syscall(CALL_LANDLOCK_CREATE, NULL, 0, 1); }

int linux_landlock_allow(int ruleset, int descriptor, uint64_t rights) {
    struct {
        uint64_t rights;
        int32_t parent;
    } __attribute__((packed)) rule = {rights, descriptor};
    return (int)syscall(CALL_LANDLOCK_ADD, ruleset, 1, &rule, 0);
}
