#define _GNU_SOURCE
#include "CFileSystem.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int files_open_in_root(int root, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

int files_open_at(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

int files_reopen(int descriptor, int flags) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, flags | O_CLOEXEC);
}

int files_rename_new(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE);
}

ssize_t files_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count) {
    loff_t source = from_offset, target = to_offset;
    return copy_file_range(from, &source, to, &target, count, 0);
}

int64_t files_seek_data(int descriptor, int64_t offset) { return lseek(descriptor, offset, SEEK_DATA); }

int64_t files_seek_hole(int descriptor, int64_t offset) { return lseek(descriptor, offset, SEEK_HOLE); }

int files_set_times(int directory, const char *name, int set, int64_t accessed, uint32_t accessed_nanoseconds,
                    int64_t modified, uint32_t modified_nanoseconds) {
    struct timespec times[2] = {
        {.tv_sec = accessed, .tv_nsec = (set & 1) ? (long)accessed_nanoseconds : UTIME_OMIT},
        {.tv_sec = modified, .tv_nsec = (set & 2) ? (long)modified_nanoseconds : UTIME_OMIT},
    };
    return utimensat(directory, name, times, name[0] == 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW);
}

int files_make_node(int directory, const char *name, mode_t mode, uint32_t major, uint32_t minor) {
    return mknodat(directory, name, mode, makedev(major, minor));
}

uint32_t files_device_major(uint64_t device) { return major(device); }
uint32_t files_device_minor(uint64_t device) { return minor(device); }
