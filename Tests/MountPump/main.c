// Mounts what a server of files serves, in a mount namespace of its own, and runs a command there: what the guest's pump
// and the supervisor do for a sandbox, on one machine.
//
//   mount-pump [-c SOCKET] [-r] SERVER [OPTION]… -- SERVED MOUNTPOINT COMMAND [ARGUMENT]…
//
// With -c it listens on a socket for lines, and answers each with one: `save` has the server save its state and ends it,
// `start` starts another from that state. With -r the mount is read-only. Ends as the command does; 125 means that it could
// not be started.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { buffer_size = (1 << 20) + (64 << 10) };

static char **server_arguments;
static int served, device, state = -1, control = -1;
static pid_t server;

// Guarded by the lock: the stream to the server, -1 while there is none; how much this server was sent; how much was taken
// from it, how much of that is with the kernel, and how much is taken at most: what it sends after its state was saved is
// sent once more by the next.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stream = -1;
static uint64_t given, taken, received, limit = UINT64_MAX;
// Whether requests wait, since the server that would get them is about to be replaced.
static int is_paused;

static void fail(const char *attempt) {
    fprintf(stderr, "mount-pump: %s: %s\n", attempt, strerror(errno));
    exit(125);
}

static int write_all(int descriptor, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

// Starts the server with what it inherits at the descriptors 3 to 6, and waits until it is ready.
static int start_server(char *answer, size_t size) {
    int streams[2], controls[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, streams) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, controls) != 0)
        fail("make sockets");
    int large = 1 << 20;
    setsockopt(streams[0], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    setsockopt(streams[1], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    server = fork();
    if (server < 0) fail("fork");
    if (server == 0) {
        int given[4] = {streams[1], controls[1], served, state >= 0 ? state : open("/dev/null", O_RDONLY)};
        if (state >= 0) lseek(state, 0, SEEK_SET);
        for (int i = 0; i < 4; i++) given[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 20);
        for (int i = 0; i < 4; i++) dup2(given[i], 3 + i);
        execv(server_arguments[0], server_arguments);
        _exit(127);
    }
    close(streams[1]);
    close(controls[1]);
    control = controls[0];
    ssize_t count = recv(control, answer, size - 1, 0);
    answer[count > 0 ? count : 0] = 0;
    if (count <= 0) snprintf(answer, size, "failed it ended");
    if (strncmp(answer, "ready", 5) != 0) {
        close(streams[0]);
        return -1;
    }
    pthread_mutex_lock(&lock);
    stream = streams[0];
    given = taken = received = 0;
    limit = UINT64_MAX;
    is_paused = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

static void *pump_requests(void *unused) {
    (void)unused;
    char *buffer = malloc(buffer_size);
    while (1) {
        ssize_t count = read(device, buffer, buffer_size);
        if (count < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN)) continue;
        if (count <= 0) return NULL;
        pthread_mutex_lock(&lock);
        while (stream < 0 || is_paused) pthread_cond_wait(&changed, &lock);
        // A server that ends meanwhile takes the mount with it; the command then gets errors.
        write_all(stream, buffer, (size_t)count);
        given += (uint64_t)count;
        pthread_mutex_unlock(&lock);
    }
}

static void *pump_replies(void *unused) {
    (void)unused;
    size_t size = 4 * buffer_size, filled = 0;
    char *buffer = malloc(size);
    int last = -1;
    while (1) {
        pthread_mutex_lock(&lock);
        while (stream < 0 || stream == last) pthread_cond_wait(&changed, &lock);
        int from = stream;
        pthread_mutex_unlock(&lock);
        ssize_t count = recv(from, buffer + filled, size - filled, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            last = from;
            continue;
        }
        pthread_mutex_lock(&lock);
        if (from != stream) count = 0;
        if ((uint64_t)count > limit - taken) count = (ssize_t)(limit - taken);
        taken += (uint64_t)count;
        pthread_mutex_unlock(&lock);
        filled += (size_t)count;
        size_t done = 0;
        uint32_t length;
        while (filled - done >= sizeof length) {
            memcpy(&length, buffer + done, sizeof length);
            if (length < 16 || length > buffer_size) {
                fprintf(stderr, "mount-pump: a reply of %u bytes\n", length);
                exit(125);
            }
            if (filled - done < length) break;
            // The kernel refuses answers to requests that were given up meanwhile, and news of what it does not know.
            ssize_t written = write(device, buffer + done, length);
            if (written < 0 && errno != ENOENT && errno != EINTR && errno != ENOTDIR && errno != ENODEV)
                fprintf(stderr, "mount-pump: a reply of %u bytes: %s\n", length, strerror(errno));
            done += length;
        }
        memmove(buffer, buffer + done, filled - done);
        filled -= done;
        pthread_mutex_lock(&lock);
        received = taken;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
}

// Has the server save its state; takes all that it has sent until then, and ends it.
static void save(char *answer, size_t size) {
    if (state < 0) state = memfd_create("state", MFD_CLOEXEC);
    if (ftruncate(state, 0) != 0) fail("empty the state");
    pthread_mutex_lock(&lock);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } passed = {{CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&passed.header), &state, sizeof state);
    char order[64];
    struct iovec part = {order, (size_t)snprintf(order, sizeof order, "save %lu", given)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &passed, .msg_controllen = sizeof passed};
    if (sendmsg(control, &message, 0) != (ssize_t)part.iov_len) fail("send an order");
    ssize_t count = recv(control, answer, size - 1, 0);
    answer[count > 0 ? count : 0] = 0;
    uint64_t sent;
    if (sscanf(answer, "saved %lu", &sent) == 1) {
        limit = sent;
        is_paused = 1;
        while (received < sent) pthread_cond_wait(&changed, &lock);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        close(control);
        // The other thread sees the end of this stream and waits for the next.
        shutdown(stream, SHUT_RDWR);
        stream = -1;
    }
    pthread_mutex_unlock(&lock);
}

static void *obey(void *argument) {
    int listener = *(int *)argument;
    while (1) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) return NULL;
        char order[64], answer[4200];
        ssize_t count;
        while ((count = recv(client, order, sizeof order - 1, 0)) > 0) {
            order[count] = 0;
            if (strcmp(order, "save\n") == 0) {
                save(answer, sizeof answer - 1);
            } else if (strcmp(order, "start\n") == 0) {
                // On the main thread's behalf: the server must not die with this one, which lives as long.
                start_server(answer, sizeof answer - 1);
            } else {
                snprintf(answer, sizeof answer, "failed what?");
            }
            strcat(answer, "\n");
            send(client, answer, strlen(answer), MSG_NOSIGNAL);
        }
        close(client);
    }
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    const char *socket_path = NULL;
    unsigned long flags = MS_NOSUID | MS_NODEV;
    int option;
    while ((option = getopt(count, arguments, "+c:r")) != -1) {
        if (option == 'c') socket_path = optarg;
        if (option == 'r') flags |= MS_RDONLY;
        if (option == '?') return 125;
    }
    server_arguments = arguments + optind;
    char **rest = server_arguments;
    while (*rest && strcmp(*rest, "--") != 0) rest++;
    if (!*rest || !rest[1] || !rest[2] || !rest[3]) return 125;
    *rest++ = NULL;
    served = open(rest[0], O_PATH | O_CLOEXEC);
    if (served < 0) fail(rest[0]);

    static int listener;
    if (socket_path) {
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, socket_path, sizeof address.sun_path - 1);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4) != 0)
            fail(socket_path);
    }
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0) fail("/dev/fuse");
    char answer[4200];
    if (start_server(answer, sizeof answer) != 0) {
        fprintf(stderr, "mount-pump: the server says: %s\n", answer);
        return 125;
    }
    // The mount is the command's alone, and goes with it.
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("unshare");
    struct stat status;
    if (fstat(served, &status) != 0) fail("stat");
    char data[200];
    snprintf(data, sizeof data, "fd=%d,rootmode=%o,user_id=0,group_id=0,default_permissions,allow_other", device,
             status.st_mode & S_IFMT);
    if (mount("sandpiper", rest[1], "fuse", flags, data) != 0) fail("mount");
    pthread_t thread;
    pthread_create(&thread, NULL, pump_requests, NULL);
    pthread_create(&thread, NULL, pump_replies, NULL);
    if (socket_path) pthread_create(&thread, NULL, obey, &listener);
    // As the guest's agent does: the kernel's own 128 KiB are few for a mount that answers from afar.
    if (stat(rest[1], &status) == 0) {
        char path[100];
        snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", (unsigned)(status.st_dev >> 8 & 0xfff),
                 (unsigned)(status.st_dev & 0xff));
        int file = open(path, O_WRONLY | O_CLOEXEC);
        if (file < 0 || write(file, "1024", 4) != 4) fprintf(stderr, "mount-pump: no longer reads ahead\n");
        close(file);
    }

    pid_t command = fork();
    if (command == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        execvp(rest[2], rest + 2);
        _exit(125);
    }
    int ended = 0;
    while (waitpid(command, &ended, 0) < 0 && errno == EINTR) continue;
    umount2(rest[1], MNT_DETACH);
    pthread_mutex_lock(&lock);
    if (stream >= 0) shutdown(stream, SHUT_RDWR);
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}
