/* Conversations over TCP, for the benchmark of networks: short ones, and small requests on one connection.
 *
 *   conversations serve PORT                       echoes whatever it is sent, on every address
 *   conversations connect HOST PORT COUNT AT_ONCE  makes COUNT connections, each for one exchange; prints how many
 *                                                  were made in a second
 *   conversations request HOST PORT COUNT          makes COUNT exchanges on one connection; prints the microseconds
 *                                                  that half of them and all but one in a hundred took at most
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, EVENTS = 256 };

static void fail(const char *what) {
    fprintf(stderr, "conversations: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void watch(int set, int operation, int file, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = file};
    if (epoll_ctl(set, operation, file, &event) != 0) fail("watch a connection");
}

static void serve(unsigned short port) {
    int on = 1, listener = socket(AF_INET6, SOCK_STREAM, 0), set = epoll_create1(0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) fail("listen");
    watch(set, EPOLL_CTL_ADD, listener, EPOLLIN);
    puts("serving");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(set, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            int file = events[index].data.fd;
            if (file == listener) {
                int taken = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (taken < 0) continue;
                setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                watch(set, EPOLL_CTL_ADD, taken, EPOLLIN);
                continue;
            }
            char buffer[4096];
            ssize_t got = recv(file, buffer, sizeof buffer, 0);
            if (got <= 0) {
                close(file);
            } else if (send(file, buffer, got, MSG_NOSIGNAL) != got) {
                close(file); /* A client sends no more than fits. */
            }
        }
    }
}

static struct sockaddr_in peer(char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    if (inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1) fail(arguments[0]);
    return address;
}

static int begin(const struct sockaddr_in *address, int set) {
    int on = 1, file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(file, (const void *)address, sizeof *address) != 0 && errno != EINPROGRESS) fail("connect");
    watch(set, EPOLL_CTL_ADD, file, EPOLLOUT);
    return file;
}

static void connections(struct sockaddr_in address, long count, long at_once) {
    int set = epoll_create1(0);
    long begun = 0, ended = 0;
    char message[MESSAGE] = "a short conversation";
    double start = now();
    while (begun < at_once && begun < count) begin(&address, set), begun++;
    while (ended < count) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(set, events, EVENTS, 30000);
        if (ready == 0) errno = ETIMEDOUT, fail("wait for connections");
        for (int index = 0; index < ready; index++) {
            int file = events[index].data.fd;
            if (events[index].events & EPOLLOUT) {
                if (send(file, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE) fail("send");
                watch(set, EPOLL_CTL_MOD, file, EPOLLIN);
                continue;
            }
            if (recv(file, message, MESSAGE, 0) != MESSAGE) fail("receive");
            close(file);
            ended++;
            if (begun < count) begin(&address, set), begun++;
        }
    }
    printf("{\"per_second\": %.2f}\n", count / (now() - start));
}

static int ascending(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return difference < 0 ? -1 : difference > 0;
}

static void requests(struct sockaddr_in address, long count) {
    int on = 1, file = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(file, (void *)&address, sizeof address) != 0) fail("connect");
    double *taken = malloc(count * sizeof *taken);
    char message[MESSAGE] = "a small request";
    for (long index = -10; index < count; index++) { /* The first few do not count. */
        double start = now();
        if (send(file, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE) fail("send");
        if (recv(file, message, MESSAGE, MSG_WAITALL) != MESSAGE) fail("receive");
        if (index >= 0) taken[index] = (now() - start) * 1e6;
    }
    qsort(taken, count, sizeof *taken, ascending);
    printf("{\"half\": %.2f, \"nearly_all\": %.2f}\n", taken[count / 2], taken[count * 99 / 100]);
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "serve") == 0) serve(atoi(arguments[2]));
    if (count == 6 && strcmp(arguments[1], "connect") == 0)
        return connections(peer(arguments + 2), atol(arguments[4]), atol(arguments[5])), 0;
    if (count == 5 && strcmp(arguments[1], "request") == 0) return requests(peer(arguments + 2), atol(arguments[4])), 0;
    fputs("usage: conversations serve PORT | connect HOST PORT COUNT AT_ONCE | request HOST PORT COUNT\n", stderr);
    return 2;
}
