#define _GNU_SOURCE
#include "CLinux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

int linux_file_status_at(int directory, const char *name, struct linux_file_status *status) {
    struct statx found;
    if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
              &found) != 0)
        return -1;
    int born = (found.stx_mask & STATX_BTIME) != 0;
    *status = (struct linux_file_status){
        .device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor,
        .inode = found.stx_ino,
        .size = found.stx_size,
        .blocks = found.stx_blocks,
        .accessed = found.stx_atime.tv_sec,
        .modified = found.stx_mtime.tv_sec,
        .changed = found.stx_ctime.tv_sec,
        .born = born ? found.stx_btime.tv_sec : 0,
        .accessed_nanoseconds = found.stx_atime.tv_nsec,
        .modified_nanoseconds = found.stx_mtime.tv_nsec,
        .changed_nanoseconds = found.stx_ctime.tv_nsec,
        .born_nanoseconds = born ? found.stx_btime.tv_nsec : 0,
        .mode = found.stx_mode,
        .links = found.stx_nlink,
        .user = found.stx_uid,
        .group = found.stx_gid,
        .block_size = found.stx_blksize,
    };
    return 0;
}

int linux_open_below(int directory, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
        .mode = flags & O_CREAT ? mode & 07777 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    int result, tries = 0;
    // EAGAIN: something was renamed meanwhile, and the kernel could not tell whether the path leads out.
    do result = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    while (result < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));
    return result;
}

void linux_descriptor_path(int descriptor, char path[32]) { snprintf(path, 32, "/proc/self/fd/%d", descriptor); }

int linux_reopen(int descriptor, int flags) {
    char path[32];
    linux_descriptor_path(descriptor, path);
    return open(path, flags | O_CLOEXEC);
}

ssize_t linux_directory_entries(int directory, void *buffer, size_t count) {
    return syscall(SYS_getdents64, directory, buffer, count);
}

int linux_rename(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags) {
    // Not the C library's, which without flags makes another call.
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

int linux_set_times(int descriptor, int64_t accessed, uint32_t accessed_nanoseconds, int64_t modified,
                    uint32_t modified_nanoseconds) {
    struct timespec times[2] = {{accessed, accessed_nanoseconds}, {modified, modified_nanoseconds}};
    return (int)syscall(SYS_utimensat, descriptor, "", times, AT_EMPTY_PATH);
}

int linux_file_system(int descriptor, struct linux_file_system_status *status) {
    struct statfs found;
    if (fstatfs(descriptor, &found) != 0) return -1;
    *status = (struct linux_file_system_status){
        .blocks = found.f_blocks,
        .free_blocks = found.f_bfree,
        .available_blocks = found.f_bavail,
        .files = found.f_files,
        .free_files = found.f_ffree,
        .block_size = (uint32_t)found.f_bsize,
        .fragment_size = (uint32_t)found.f_frsize,
        .name_length = (uint32_t)found.f_namelen,
    };
    return 0;
}

ssize_t linux_append(int descriptor, const void *bytes, size_t count) {
    struct iovec part = {(void *)bytes, count};
    return pwritev2(descriptor, &part, 1, 0, RWF_APPEND);
}

int linux_allocate(int descriptor, int mode, int64_t offset, int64_t count) {
    return fallocate(descriptor, mode, offset, count);
}

ssize_t linux_receive(int socket, void *bytes, size_t count, int *passed) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec part = {bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *passed = -1;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return -1;
    int seen = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < descriptors; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            if (seen++ == 0) {
                *passed = descriptor;
            } else {
                close(descriptor);
            }
        }
    }
    if (seen > 1) {
        close(*passed);
        *passed = -1;
    }
    return received;
}
