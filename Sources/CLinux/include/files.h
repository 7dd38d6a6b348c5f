// Calls on files below a directory, for a server of files: what is opened never lies outside, no link is followed.
#ifndef CLINUX_FILES_H
#define CLINUX_FILES_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

/// What statx(2) says of a file.
struct linux_file_status {
    /// The file system's device number, major and minor joined; unlike `st_dev` the same on every architecture.
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    /// In units of 512 bytes.
    uint64_t blocks;
    int64_t accessed, modified, changed, born;
    uint32_t accessed_nanoseconds, modified_nanoseconds, changed_nanoseconds, born_nanoseconds;
    uint32_t mode;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint32_t block_size;
};

/// What fstatfs(2) says of a file system.
struct linux_file_system_status {
    uint64_t blocks, free_blocks, available_blocks, files, free_files;
    uint32_t block_size, fragment_size, name_length;
};

/// statx(2) of a name in a directory, or with an empty name of the descriptor itself. Neither a link nor an automount is
/// followed. `born` is 0 where the file system does not know. Returns -1 and sets errno.
int linux_file_status_at(int directory, const char *name, struct linux_file_status *status);
/// openat2(2), close-on-exec, below `directory`: neither `..` nor a link of any kind on the way. A last name that is a
/// link fails with ELOOP, or with O_PATH is opened itself. Returns -1 and sets errno.
int linux_open_below(int directory, const char *path, int flags, mode_t mode);
/// Writes the name in /proc under which calls that take a path reach what `descriptor` names.
void linux_descriptor_path(int descriptor, char path[32]);
/// openat(2), close-on-exec, of what `descriptor` names, which may have been opened with O_PATH.
int linux_reopen(int descriptor, int flags);
/// getdents64(2).
ssize_t linux_directory_entries(int directory, void *buffer, size_t count);
/// renameat2(2).
int linux_rename(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags);
/// utimensat(2) of the file that a descriptor names, links themselves included. Nanoseconds may be linux_time_now or
/// linux_time_kept.
int linux_set_times(int descriptor, int64_t accessed, uint32_t accessed_nanoseconds, int64_t modified,
                    uint32_t modified_nanoseconds);
static const uint32_t linux_time_now = 0x3fffffff;
static const uint32_t linux_time_kept = 0x3ffffffe;
/// fstatfs(2).
int linux_file_system(int descriptor, struct linux_file_system_status *status);
/// pwritev2(2) of one buffer at the end of the file, as one step (RWF_APPEND).
ssize_t linux_append(int descriptor, const void *bytes, size_t count);
/// fallocate(2).
int linux_allocate(int descriptor, int mode, int64_t offset, int64_t count);
/// recvmsg(2) of one message without waiting; of the descriptors that came with it `passed` gets the only one, else -1.
ssize_t linux_receive(int socket, void *bytes, size_t count, int *passed);
/// SEEK_DATA and SEEK_HOLE of lseek(2).
static const int linux_seek_data = 3;
static const int linux_seek_hole = 4;
/// AT_EMPTY_PATH: the call is about the descriptor itself.
static const int linux_empty_path = 0x1000;

#endif
