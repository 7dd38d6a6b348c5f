#define _GNU_SOURCE
#include "agent_system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A question about sockets, or an order to destroy one.
struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

static int ask(int netlink, unsigned short type, unsigned short flags, const struct inet_diag_req_v2 *body) {
    struct request request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = type, .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags)},
        .body = *body,
    };
    return send(netlink, &request, sizeof request, 0) == (ssize_t)sizeof request ? 0 : -1;
}

// Whether what is sent to an address, of 4 bytes or 16, leaves by an interface, or cannot be sent at all. -1 on failure.
static int leaves(int routes, int family, const void *address, int interface) {
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (family == AF_INET6 && memcmp(address, mapped, sizeof mapped) == 0)
        return leaves(routes, AF_INET, (const char *)address + sizeof mapped, interface);
    unsigned short length = family == AF_INET ? 4 : 16;
    struct {
        struct nlmsghdr header;
        struct rtmsg body;
        struct rtattr attribute;
        unsigned char address[16];
    } request = {
        .header = {.nlmsg_len = (unsigned)(offsetof(__typeof__(request), address) + length), .nlmsg_type = RTM_GETROUTE,
            .nlmsg_flags = NLM_F_REQUEST},
        .body = {.rtm_family = (unsigned char)family, .rtm_dst_len = (unsigned char)(length * 8)},
        .attribute = {.rta_len = (unsigned short)RTA_LENGTH(length), .rta_type = RTA_DST},
    };
    memcpy(request.address, address, length);
    if (send(routes, &request, request.header.nlmsg_len, 0) < 0) return -1;
    _Alignas(struct nlmsghdr) char buffer[4096];
    ssize_t received;
    do received = recv(routes, buffer, sizeof buffer, 0);
    while (received < 0 && errno == EINTR);
    if (received < (ssize_t)NLMSG_LENGTH(sizeof(struct rtmsg))) return -1;
    const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
    if (header->nlmsg_type != RTM_NEWROUTE) return 1;
    int rest = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(struct rtmsg)));
    const struct rtattr *attribute = RTM_RTA(NLMSG_DATA(header));
    for (; RTA_OK(attribute, rest); attribute = RTA_NEXT(attribute, rest))
        if (attribute->rta_type == RTA_OIF) return *(const int *)RTA_DATA(attribute) == interface;
    return 1;
}

// Connections that are to be reset.
struct found {
    struct inet_diag_sockid *ids;
    size_t count, room;
};

static int add(struct found *found, const struct inet_diag_sockid *id) {
    if (found->count == found->room) {
        size_t room = found->room ? found->room * 2 : 64;
        struct inet_diag_sockid *larger = realloc(found->ids, room * sizeof *larger);
        if (!larger) return -1;
        found->ids = larger;
        found->room = room;
    }
    found->ids[found->count++] = *id;
    return 0;
}

static int find(int netlink, int routes, int family, int interface, struct found *found) {
    struct inet_diag_req_v2 body = {
        .sdiag_family = (unsigned char)family,
        .sdiag_protocol = IPPROTO_TCP,
        .idiag_states = ~(1u << TCP_LISTEN | 1u << TCP_CLOSE | 1u << TCP_TIME_WAIT),
    };
    if (ask(netlink, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body) != 0) return -1;
    _Alignas(struct nlmsghdr) char buffer[32768];
    for (;;) {
        ssize_t received = recv(netlink, buffer, sizeof buffer, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return -1;
        size_t rest = (size_t)received;
        for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
            if (header->nlmsg_type == NLMSG_DONE) return 0;
            if (header->nlmsg_type == NLMSG_ERROR) {
                errno = EPROTO;
                return -1;
            }
            if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) continue;
            const struct inet_diag_msg *message = NLMSG_DATA(header);
            int outside = leaves(routes, family, message->id.idiag_dst, interface);
            if (outside < 0 || (outside && add(found, &message->id) != 0)) return -1;
        }
    }
}

// One that has ended meanwhile is no failure.
static int destroy(int netlink, int family, const struct inet_diag_sockid *id) {
    struct inet_diag_req_v2 body = {
        .sdiag_family = (unsigned char)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u, .id = *id};
    if (ask(netlink, SOCK_DESTROY, NLM_F_ACK, &body) != 0) return -1;
    _Alignas(struct nlmsghdr) char buffer[1024];
    ssize_t received;
    do received = recv(netlink, buffer, sizeof buffer, 0);
    while (received < 0 && errno == EINTR);
    const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
    if (received < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR) return -1;
    int error = -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
    if (error == 0 || error == ENOENT) return 0;
    errno = error;
    return -1;
}

int agent_reset_connections(const char *interface) {
    int index = (int)if_nametoindex(interface);
    if (index == 0) return -1;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int result = netlink < 0 || routes < 0 ? -1 : 0;
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; result == 0 && i < 2; i++) {
        struct found found = {0};
        result = find(netlink, routes, families[i], index, &found);
        for (size_t n = 0; result == 0 && n < found.count; n++) result = destroy(netlink, families[i], &found.ids[n]);
        free(found.ids);
    }
    int error = errno;
    if (netlink >= 0) close(netlink);
    if (routes >= 0) close(routes);
    errno = error;
    return result;
}
