#ifndef AGENT_SYSTEM_H
#define AGENT_SYSTEM_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// System calls that Swift cannot reach: variadic ones, macros, and those the C library lacks.
// Each returns -1 and sets errno on failure unless said otherwise.

/// openat2(2) below `root`: neither `..`, absolute symbolic links nor /proc's magic links lead out of it.
/// With `stays_on_mount`, crossing into another mount fails too.
int agent_open_in_root(int root, const char *path, int flags, unsigned mode, int stays_on_mount);

/// open_tree(2) of a mount's root: a copy of that mount alone, which is mounted nowhere and goes with its descriptor.
int agent_open_tree(int root);

/// syncfs(2).
int agent_synchronize(int directory);

/// Resets all TCP connections that leave by an interface, or have no way to their other end: whoever uses them gets
/// ECONNABORTED. sock_diag(7).
int agent_reset_connections(const char *interface);

/// Makes a close-on-exec pipe: `ends[0]` reads, `ends[1]` writes.
int agent_pipe(int ends[2]);

/// Adds bytes to the kernel's random pool, credits them in full, and reseeds the generator from it.
int agent_add_entropy(int random_device, const void *bytes, size_t count);

/// Opens the other side of a pseudo terminal whose master is `master`, unlocked; never the controlling terminal.
int agent_open_terminal_peer(int master);

/// Sets a terminal's size in character cells.
int agent_set_terminal_size(int terminal, uint16_t rows, uint16_t columns);

/// Marks a terminal's input as UTF-8, so that erasing removes whole characters.
int agent_set_terminal_utf8(int terminal);

/// The character that means end of input on a terminal, or -1.
int agent_terminal_end_character(int terminal);

/// Bytes waiting in a pipe, or -1.
int agent_readable_bytes(int descriptor);

/// Moves bytes from a pipe without copying them: splice(2). Never waits.
ssize_t agent_move(int pipe, int target, size_t count);

/// Brings a network interface up.
int agent_bring_up(const char *interface);

/// Spares the processor what a virtio device, to which no frame comes in small parts, has no use for: merging what comes,
/// and an interrupt for each frame that went. The interface must be down.
int agent_spare_work(const char *interface);

/// Sets an interface's hardware address, 6 bytes.
int agent_set_hardware_address(const char *interface, const uint8_t *address);

/// Reads an interface's hardware address, 6 bytes.
int agent_hardware_address(const char *interface, uint8_t *address);

/// Adds an address to an interface: "192.0.2.7/24" or "2001:db8::7/64".
int agent_add_address(const char *interface, const char *address);

/// Takes packets for ::1 from an interface, as route_localnet has the kernel do for 127.0.0.1.
int agent_accept_loopback(const char *interface);

/// Sends all that has no other way to `gateway`, a numeric address, which has this hardware address for ever.
int agent_add_gateway(const char *interface, const char *gateway, const uint8_t *hardware_address);

/// Whether an interface has this address: 1 or 0.
int agent_has_address(const char *interface, const char *address);
// How many addresses the interface has beside these `count` and those of its link; removes them if it is to. -1 with errno.
int agent_other_addresses(const char *interface, const char *const *addresses, size_t count, int remove);

/// Makes a non-blocking, close-on-exec netlink socket that receives the kernel's device events.
int agent_open_device_events(void);

/// Opens a descriptor that becomes readable when the process ends.
int agent_open_process(pid_t pid);

/// fork(2) of a process with one thread.
int agent_fork(void);

/// Whether a file has extended attributes, or cannot be asked: llistxattr(2).
bool agent_has_attributes(const char *path);

/// The device number of the file system mounted at `path`, of which nothing is asked.
int agent_device_of(const char *path, uint32_t *major, uint32_t *minor);

/// unshare(2): mounts and names of this process's own.
int agent_leave_mounts(void);

/// Restarts the machine at once. Returns only on failure.
int agent_restart(void);

/// Whether `part` is somewhere in `bytes`.
int agent_has_bytes(const void *bytes, size_t count, const void *part, size_t part_count);

#endif
