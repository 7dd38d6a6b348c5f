#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const uint32_t linux_readable = EPOLLIN, linux_writable = EPOLLOUT, linux_peer_closed = EPOLLRDHUP,
               linux_hung_up = EPOLLHUP, linux_failed = EPOLLERR, linux_edge = EPOLLET;

int linux_epoll(void) { return epoll_create1(EPOLL_CLOEXEC); }

int linux_epoll_set(int epoll, int descriptor, uint32_t events, uint64_t token, bool is_new) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event);
}

int linux_epoll_remove(int epoll, int descriptor) { return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL); }

int linux_epoll_wait(int epoll, struct linux_ready *ready, int most, int64_t nanoseconds) {
    struct epoll_event events[256];
    if (most > 256) most = 256;
    // Rounded up, so that nobody wakes before the time.
    int64_t milliseconds = nanoseconds < 0 ? -1 : nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
    int count = epoll_wait(epoll, events, most, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) ready[i] = (struct linux_ready){events[i].data.u64, events[i].events};
    return count;
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_system(const struct linux_endpoint *endpoint, union address *address) {
    memset(address, 0, sizeof *address);
    if (endpoint->length == 4) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(endpoint->port);
        memcpy(&address->v4.sin_addr, endpoint->address, 4);
        return sizeof address->v4;
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(endpoint->port);
    memcpy(&address->v6.sin6_addr, endpoint->address, 16);
    return sizeof address->v6;
}

static void from_system(const union address *address, struct linux_endpoint *endpoint) {
    memset(endpoint, 0, sizeof *endpoint);
    if (address->any.sa_family == AF_INET) {
        endpoint->length = 4;
        endpoint->port = ntohs(address->v4.sin_port);
        memcpy(endpoint->address, &address->v4.sin_addr, 4);
    } else if (address->any.sa_family == AF_INET6) {
        endpoint->length = 16;
        endpoint->port = ntohs(address->v6.sin6_port);
        memcpy(endpoint->address, &address->v6.sin6_addr, 16);
    }
}

int linux_internet_socket(bool is_v6, int type, int protocol) {
    int descriptor = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    // An address of IPv4 that is mapped into IPv6 leads nowhere, and a listener of one version leaves the other free.
    int one = 1;
    if (descriptor >= 0 && is_v6) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    return descriptor;
}

int linux_internet_connect(int socket, const struct linux_endpoint *endpoint) {
    union address address;
    socklen_t length = to_system(endpoint, &address);
    return connect(socket, &address.any, length);
}

int linux_internet_bind(int socket, const struct linux_endpoint *endpoint) {
    int type = 0, one = 1;
    socklen_t size = sizeof type;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM)
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    union address address;
    socklen_t length = to_system(endpoint, &address);
    return bind(socket, &address.any, length);
}

ssize_t linux_internet_send(int socket, const void *bytes, size_t count, const struct linux_endpoint *endpoint) {
    union address address;
    socklen_t length = to_system(endpoint, &address);
    return sendto(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT, &address.any, length);
}

ssize_t linux_internet_receive(int socket, void *bytes, size_t count, struct linux_endpoint *endpoint) {
    union address address = {0};
    socklen_t length = sizeof address;
    ssize_t result = recvfrom(socket, bytes, count, MSG_DONTWAIT, &address.any, &length);
    if (result >= 0) from_system(&address, endpoint);
    return result;
}

int linux_internet_accept(int socket, struct linux_endpoint *endpoint) {
    union address address = {0};
    socklen_t length = sizeof address;
    int descriptor = accept4(socket, &address.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0) from_system(&address, endpoint);
    return descriptor;
}

int linux_internet_name(int socket, struct linux_endpoint *endpoint) {
    union address address = {0};
    socklen_t length = sizeof address;
    if (getsockname(socket, &address.any, &length) < 0) return -1;
    from_system(&address, endpoint);
    return 0;
}

int linux_socket_error(int socket) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

int linux_no_delay(int socket) {
    int one = 1;
    return setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int linux_reset_on_close(int socket) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int linux_unread_by_peer(int socket) {
    int count = 0;
    return ioctl(socket, SIOCOUTQ, &count) < 0 ? -1 : count;
}

int linux_host_addresses(struct linux_endpoint *addresses, int most) {
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -1;
    int count = 0;
    for (struct ifaddrs *one = all; one && count < most; one = one->ifa_next) {
        if (one->ifa_addr == NULL) continue;
        if (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6) continue;
        from_system((const union address *)one->ifa_addr, &addresses[count++]);
    }
    freeifaddrs(all);
    return count;
}

int linux_host_address_changes(void) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (descriptor < 0) return -1;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK,
    };
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int linux_unix_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int linux_peer_user(int socket, uid_t *user) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *user = peer.uid;
    return 0;
}
