#ifndef SANDPIPER_NETWORK_H
#define SANDPIPER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Sockets of the internet, and waiting for many of them. Each returns -1 and sets errno on failure unless said otherwise.

/// What epoll_wait(2) tells of one descriptor.
struct linux_ready {
    /// What was said when it was added.
    uint64_t token;
    /// Bits of `linux_readable` and the like.
    uint32_t events;
};

extern const uint32_t linux_readable, linux_writable, linux_peer_closed, linux_hung_up, linux_failed, linux_edge;

/// epoll_create1(2).
int linux_epoll(void);
/// Adds a descriptor, or changes what it is waited for.
int linux_epoll_set(int epoll, int descriptor, uint32_t events, uint64_t token, bool is_new);
/// Removes a descriptor.
int linux_epoll_remove(int epoll, int descriptor);
/// Waits for at most so many nanoseconds, for ever when negative; how many are ready, 0 also when interrupted.
int linux_epoll_wait(int epoll, struct linux_ready *ready, int most, int64_t nanoseconds);

/// An address of 4 or 16 bytes in network order, and a port in the host's.
struct linux_endpoint {
    uint8_t address[16];
    uint8_t length;
    uint16_t port;
};

/// A socket that does not block. `type` is SOCK_STREAM or SOCK_DGRAM, `protocol` 0 or IPPROTO_ICMP or IPPROTO_ICMPV6.
int linux_internet_socket(bool is_v6, int type, int protocol);
/// connect(2); EINPROGRESS when it is under way.
int linux_internet_connect(int socket, const struct linux_endpoint *endpoint);
/// bind(2), after SO_REUSEADDR for streams.
int linux_internet_bind(int socket, const struct linux_endpoint *endpoint);
/// sendto(2).
ssize_t linux_internet_send(int socket, const void *bytes, size_t count, const struct linux_endpoint *endpoint);
/// recvfrom(2).
ssize_t linux_internet_receive(int socket, void *bytes, size_t count, struct linux_endpoint *endpoint);
/// accept4(2) of a socket that does not block.
int linux_internet_accept(int socket, struct linux_endpoint *endpoint);
/// getsockname(2).
int linux_internet_name(int socket, struct linux_endpoint *endpoint);
/// SO_ERROR, which it clears: 0 or an errno.
int linux_socket_error(int socket);
/// TCP_NODELAY.
int linux_no_delay(int socket);
/// Lets close(2) reset the connection.
int linux_reset_on_close(int socket);
/// How many bytes the other side of a stream socket has not read yet.
int linux_unread_by_peer(int socket);

/// accept4(2) of a unix socket; the new one does not block.
int linux_unix_accept(int socket);
/// SO_PEERCRED of unix(7): whose process made the other end of a connection.
int linux_peer_user(int socket, uid_t *user);

/// Addresses of all interfaces of the host: how many there are, at most `most` are stored.
int linux_host_addresses(struct linux_endpoint *addresses, int most);
/// A netlink socket that becomes readable when the addresses of the host change.
int linux_host_address_changes(void);

#endif
