// Calls on files that Swift cannot reach: variadic ones, macros, and those its view of the C library lacks.
#ifndef C_FILE_SYSTEM_H
#define C_FILE_SYSTEM_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

/// Each returns -1 and sets errno on failure.

/// openat2(2) with close-on-exec below `root`: `..`, absolute symbolic links and /proc's magic links do not lead out.
int files_open_in_root(int root, const char *path, int flags, mode_t mode);
/// openat(2), always close-on-exec.
int files_open_at(int directory, const char *path, int flags, mode_t mode);
/// Opens again, for reading or writing, what a descriptor already names; any descriptor of O_PATH will do.
int files_reopen(int descriptor, int flags);
/// renameat2(2) that fails with EEXIST when the new name is taken.
int files_rename_new(int from_directory, const char *from, int to_directory, const char *to);
/// copy_file_range(2) between explicit offsets.
ssize_t files_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count);
/// lseek(2) to data (SEEK_DATA) at or after `offset`.
int64_t files_seek_data(int descriptor, int64_t offset);
/// lseek(2) to a hole (SEEK_HOLE) at or after `offset`; the end of the file counts as one.
int64_t files_seek_hole(int descriptor, int64_t offset);
/// utimensat(2) of the name in the directory itself, or with an empty name of the descriptor; `set` has bit 0 for the
/// first and bit 1 for the second time, and the others stay.
int files_set_times(int directory, const char *name, int set, int64_t accessed, uint32_t accessed_nanoseconds,
                    int64_t modified, uint32_t modified_nanoseconds);
/// mknodat(2) with a device number made of its two parts.
int files_make_node(int directory, const char *name, mode_t mode, uint32_t major, uint32_t minor);
/// The parts of a device number.
uint32_t files_device_major(uint64_t device);
uint32_t files_device_minor(uint64_t device);

/// O_PATH of open(2): a descriptor that only names a file.
static const int files_open_path = 010000000;
/// AT_EMPTY_PATH: the call is about the descriptor itself.
static const int files_empty_path = 0x1000;

#endif
