// Serves one directory or regular file of the host to one guest, whose kernel speaks FUSE (linux/fuse.h) over a stream.
//
//   sandpiper-mounts [--read-only] [--host-owner UID:GID] [--guest-owner UID:GID] [--size-limit BYTES]
//                    [--cache-seconds N] [--name TEXT]
//
//   --read-only        everything that would change something fails with EROFS
//   --host-owner       files of this user and group of the host (default: the process's own) …
//   --guest-owner      … are this user's and group's for the guest (default: 0:0), and the reverse for what it makes.
//                      Others are 65534; or have their own numbers when root serves
//   --size-limit       growth beyond fails with ENOSPC
//   --cache-seconds    how long the guest may believe names and attributes without asking (default: 1)
//   --name             what is served, for messages
//
// Descriptors, all opened by the parent:
//
//   3  a connected stream socket: FUSE messages, requests in, replies and notifications out
//   4  a connected SOCK_SEQPACKET socket: orders in, one answer each out
//   5  what is served, opened with O_PATH
//   6  the state that an earlier server saved, read from the position of the descriptor; an empty file or /dev/null
//      when there is none
//
// It says `ready`, followed by the walls that this host lacks (`files`: no Landlock), or `failed <one line>` on 4. The
// order `save <bytes>`, with a descriptor of a file open for writing, is answered with `saved <bytes>` or `failed <one
// line>`. The first number says how much was sent to this process on 3, of which some may still be under way: all of it is
// carried out or part of the state, and nothing may be sent between the order and the answer. The second says how much
// this process has sent. It goes on serving afterwards; whoever replaces it by one that reads the state drops what it
// sends on 3 beyond that, since the other sends it once more.
//
// The process ends with 0 when 3 or its parent ends, with 1 when it cannot serve or what comes is no message.
import Glibc
import MountServer

exit(MountProcess.run(CommandLine.arguments.dropFirst()))
