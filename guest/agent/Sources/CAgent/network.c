#define _GNU_SOURCE
#include "agent_system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int with_interface(const char *interface, unsigned long command, struct ifreq *request) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    strncpy(request->ifr_name, interface, sizeof request->ifr_name - 1);
    int result = ioctl(descriptor, command, request);
    int error = errno;
    close(descriptor);
    errno = error;
    return result;
}

int agent_bring_up(const char *interface) {
    struct ifreq request = {0};
    if (with_interface(interface, SIOCGIFFLAGS, &request) < 0) return -1;
    request.ifr_flags |= IFF_UP;
    return with_interface(interface, SIOCSIFFLAGS, &request);
}

int agent_spare_work(const char *interface) {
    struct ethtool_value merging = {.cmd = ETHTOOL_SGRO, .data = 0};
    struct ifreq request = {.ifr_data = (void *)&merging};
    if (with_interface(interface, SIOCETHTOOL, &request) < 0) return -1;
    struct ethtool_coalesce interrupts = {.cmd = ETHTOOL_GCOALESCE};
    request.ifr_data = (void *)&interrupts;
    if (with_interface(interface, SIOCETHTOOL, &request) < 0) return -1;
    interrupts.cmd = ETHTOOL_SCOALESCE;
    interrupts.tx_max_coalesced_frames = 0;
    return with_interface(interface, SIOCETHTOOL, &request);
}

int agent_set_hardware_address(const char *interface, const uint8_t *address) {
    struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
    memcpy(request.ifr_hwaddr.sa_data, address, 6);
    return with_interface(interface, SIOCSIFHWADDR, &request);
}

int agent_hardware_address(const char *interface, uint8_t *address) {
    struct ifreq request = {0};
    int result = with_interface(interface, SIOCGIFHWADDR, &request);
    if (result == 0) memcpy(address, request.ifr_hwaddr.sa_data, 6);
    return result;
}

struct internet_address {
    int family;
    int prefix;
    size_t length;
    uint8_t bytes[16];
};

// Reads "a.b.c.d/n" or "x:y::z/n"; 0 or -1.
static int parse_address(const char *text, struct internet_address *address) {
    char copy[INET6_ADDRSTRLEN + 5];
    const char *slash = strchr(text, '/');
    errno = EINVAL;
    if (slash == NULL || strlen(text) >= sizeof copy) return -1;
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = 0;
    address->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
    address->length = address->family == AF_INET ? 4 : 16;
    char *end;
    long prefix = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end != 0 || prefix < 0 || prefix > (long)address->length * 8) return -1;
    address->prefix = (int)prefix;
    if (inet_pton(address->family, copy, address->bytes) == 1) return 0;
    errno = EINVAL;
    return -1;
}

// An order to the kernel's tables of addresses, routes and neighbours.
struct order {
    struct nlmsghdr header;
    union {
        struct ifaddrmsg address;
        struct rtmsg route;
        struct ndmsg neighbour;
        struct tcmsg traffic;
    } body;
    char attributes[128];
};

static void add_attribute(struct order *order, unsigned short type, const void *value, size_t length) {
    struct rtattr attribute = {(unsigned short)RTA_LENGTH(length), type};
    char *end = (char *)order + NLMSG_ALIGN(order->header.nlmsg_len);
    memcpy(end, &attribute, sizeof attribute);
    memcpy(end + RTA_LENGTH(0), value, length);
    order->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(order->header.nlmsg_len) + RTA_ALIGN(attribute.rta_len));
}

static int obey(struct order *order, unsigned short flags) {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    order->header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | flags);
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (descriptor < 0) return -1;
    int error = 0;
    if (send(descriptor, order, order->header.nlmsg_len, 0) < 0 || recv(descriptor, &answer, sizeof answer, 0) < 0)
        error = errno;
    else if (answer.header.nlmsg_type != NLMSG_ERROR) error = EPROTO;
    else error = -answer.error.error;
    close(descriptor);
    errno = error;
    return error == 0 ? 0 : -1;
}

int agent_add_address(const char *interface, const char *text) {
    struct internet_address address;
    if (parse_address(text, &address) < 0) return -1;
    unsigned index = if_nametoindex(interface);
    if (index == 0) return -1;
    struct order order = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof order.body.address), .nlmsg_type = RTM_NEWADDR},
        // Nobody else has it on this network; waiting to find that out would delay every program that uses it.
        .body.address = {(uint8_t)address.family, (uint8_t)address.prefix, IFA_F_NODAD, RT_SCOPE_UNIVERSE, index},
    };
    add_attribute(&order, IFA_ADDRESS, address.bytes, address.length);
    add_attribute(&order, IFA_LOCAL, address.bytes, address.length);
    return obey(&order, NLM_F_EXCL);
}

int agent_add_gateway(const char *interface, const char *text, const uint8_t *hardware_address) {
    struct internet_address gateway = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    gateway.length = gateway.family == AF_INET ? 4 : 16;
    errno = EINVAL;
    if (inet_pton(gateway.family, text, gateway.bytes) != 1) return -1;
    unsigned index = if_nametoindex(interface);
    if (index == 0) return -1;
    struct order neighbour = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof neighbour.body.neighbour), .nlmsg_type = RTM_NEWNEIGH},
        .body.neighbour = {
            .ndm_family = (uint8_t)gateway.family, .ndm_ifindex = (int)index, .ndm_state = NUD_PERMANENT,
        },
    };
    add_attribute(&neighbour, NDA_DST, gateway.bytes, gateway.length);
    add_attribute(&neighbour, NDA_LLADDR, hardware_address, 6);
    if (obey(&neighbour, NLM_F_REPLACE) < 0) return -1;
    struct order route = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof route.body.route), .nlmsg_type = RTM_NEWROUTE},
        .body.route = {
            .rtm_family = (uint8_t)gateway.family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
            .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST,
        },
    };
    add_attribute(&route, RTA_GATEWAY, gateway.bytes, gateway.length);
    add_attribute(&route, RTA_OIF, &index, sizeof index);
    return obey(&route, NLM_F_REPLACE);
}

// Reads an address of an interface; 0 for one that has none of the internet.
static int interface_address(const struct ifaddrs *one, struct internet_address *address) {
    if (one->ifa_addr == NULL || one->ifa_netmask == NULL) return 0;
    const uint8_t *bytes, *mask;
    address->family = one->ifa_addr->sa_family;
    if (address->family == AF_INET) {
        address->length = 4;
        bytes = (const uint8_t *)&((struct sockaddr_in *)one->ifa_addr)->sin_addr;
        mask = (const uint8_t *)&((struct sockaddr_in *)one->ifa_netmask)->sin_addr;
    } else if (address->family == AF_INET6) {
        address->length = 16;
        bytes = (const uint8_t *)&((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr;
        mask = (const uint8_t *)&((struct sockaddr_in6 *)one->ifa_netmask)->sin6_addr;
    } else {
        return 0;
    }
    memcpy(address->bytes, bytes, address->length);
    address->prefix = 0;
    for (size_t i = 0; i < address->length; i++) address->prefix += __builtin_popcount(mask[i]);
    return 1;
}

static int are_same(const struct internet_address *one, const struct internet_address *other) {
    return one->family == other->family && one->prefix == other->prefix &&
           memcmp(one->bytes, other->bytes, one->length) == 0;
}

int agent_has_address(const char *interface, const char *text) {
    struct internet_address address, found_address;
    if (parse_address(text, &address) < 0) return -1;
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -1;
    int found = 0;
    for (struct ifaddrs *one = all; one; one = one->ifa_next)
        if (strcmp(one->ifa_name, interface) == 0 && interface_address(one, &found_address) &&
            are_same(&address, &found_address))
            found = 1;
    freeifaddrs(all);
    return found;
}

// Whether an address is fe80::/10, which the kernel gives an interface of itself.
static int is_link_local(const struct internet_address *address) {
    return address->family == AF_INET6 && address->bytes[0] == 0xFE && (address->bytes[1] & 0xC0) == 0x80;
}

static int remove_address(unsigned index, const struct internet_address *address) {
    struct order order = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof order.body.address), .nlmsg_type = RTM_DELADDR},
        .body.address = {(uint8_t)address->family, (uint8_t)address->prefix, 0, RT_SCOPE_UNIVERSE, index},
    };
    add_attribute(&order, IFA_LOCAL, address->bytes, address->length);
    return obey(&order, 0);
}

int agent_other_addresses(const char *interface, const char *const *texts, size_t count, int remove) {
    unsigned index = if_nametoindex(interface);
    struct ifaddrs *all;
    if (index == 0 || getifaddrs(&all) < 0) return -1;
    int others = 0;
    for (struct ifaddrs *one = all; one && others >= 0; one = one->ifa_next) {
        struct internet_address address, wanted;
        if (strcmp(one->ifa_name, interface) != 0 || !interface_address(one, &address) || is_link_local(&address)) continue;
        int is_wanted = 0;
        for (size_t i = 0; i < count; i++)
            if (parse_address(texts[i], &wanted) == 0 && are_same(&address, &wanted)) is_wanted = 1;
        if (is_wanted) continue;
        others++;
        // One that went with another, whose secondary it was, is gone.
        if (remove && remove_address(index, &address) < 0 && errno != EADDRNOTAVAIL) others = -1;
    }
    int error = errno;
    freeifaddrs(all);
    errno = error;
    return others;
}

// Loads a program that lets packets for ::1 in by the loopback interface. The kernel takes such packets from no other
// (RFC 4291, section 2.5.3), while for IPv4 there is route_localnet. See bpf(2).
static int load_loopback_program(void) {
    enum { LOOPBACK = 1, DESTINATION = ETH_HLEN + 24, TO_INGRESS = BPF_F_INGRESS };
#define INSTRUCTION(operation, target, source, distance, value) \
    {.code = (operation), .dst_reg = (target), .src_reg = (source), .off = (distance), .imm = (value)}
#define LEAVE_UNLESS(word, number, distance) \
    INSTRUCTION(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, DESTINATION + 4 * (word)), \
    INSTRUCTION(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, (distance), (number))
    const struct bpf_insn program[] = {
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
        LEAVE_UNLESS(0, 0, 18),
        LEAVE_UNLESS(1, 0, 16),
        LEAVE_UNLESS(2, 0, 14),
        LEAVE_UNLESS(3, 1, 12),
        // The hardware address of the loopback interface, or the packet would be another host's.
        INSTRUCTION(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_10, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, -8),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, ETH_ALEN),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_5, 0, 0, 0),
        INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_store_bytes),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, LOOPBACK),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, TO_INGRESS),
        INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect),
        INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, TC_ACT_OK),
        INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
#undef LEAVE_UNLESS
#undef INSTRUCTION
    static const char license[] = "Apache-2.0";
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insn_cnt = sizeof program / sizeof program[0],
        .insns = (uintptr_t)program, .license = (uintptr_t)license,
    };
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

int agent_accept_loopback(const char *interface) {
    unsigned index = if_nametoindex(interface);
    if (index == 0) return -1;
    int program = load_loopback_program();
    if (program < 0) return -1;
    struct order queue = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof queue.body.traffic), .nlmsg_type = RTM_NEWQDISC},
        .body.traffic = {
            .tcm_ifindex = (int)index, .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0), .tcm_parent = TC_H_CLSACT,
        },
    };
    add_attribute(&queue, TCA_KIND, "clsact", sizeof "clsact");
    struct order filter = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof filter.body.traffic), .nlmsg_type = RTM_NEWTFILTER},
        .body.traffic = {
            .tcm_ifindex = (int)index, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
            .tcm_info = TC_H_MAKE(1 << 16, htons(ETH_P_IPV6)),
        },
    };
    add_attribute(&filter, TCA_KIND, "bpf", sizeof "bpf");
    struct {
        struct rtattr descriptor_head;
        int descriptor;
        struct rtattr flags_head;
        uint32_t flags;
    } options = {
        {RTA_LENGTH(sizeof(int)), TCA_BPF_FD}, program, {RTA_LENGTH(sizeof(uint32_t)), TCA_BPF_FLAGS},
        TCA_BPF_FLAG_ACT_DIRECT,
    };
    add_attribute(&filter, TCA_OPTIONS, &options, sizeof options);
    int result = obey(&queue, NLM_F_EXCL) < 0 ? -1 : obey(&filter, NLM_F_EXCL);
    int error = errno;
    close(program);
    errno = error;
    return result;
}
