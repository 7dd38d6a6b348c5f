#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stddef.h>
#include <stdint.h>

/// One resource limit, as in setrlimit(2).
struct agent_limit {
    uint32_t resource;
    uint64_t soft;
    uint64_t hard;
};

/// All that a new process needs, prepared before the fork so that the child only makes system calls.
struct agent_child {
    char *const *arguments;   // ends with NULL, empty only with `builtin`
    char *const *environment; // ends with NULL
    const char *search_path;  // directories to look in when the program holds no '/'
    const char *directory;    // absolute
    int makes_directory;      // whether a missing directory is made
    int input, output, error; // become 0, 1 and 2; all above 2
    int is_terminal;          // whether `input` becomes the controlling terminal
    uint32_t user, group;
    const uint32_t *groups;
    size_t group_count;
    const struct agent_limit *limits;
    size_t limit_count;
    int control_group; // directory of the cgroup to be born in, or -1
    int (*builtin)(void); // runs in place of a program, in the copy of the caller; its result is the exit status
    int report;        // close-on-exec pipe that takes one agent_report if the program cannot be executed
};

/// Where a child failed.
enum agent_stage {
    AGENT_STAGE_SESSION = 1,
    AGENT_STAGE_LIMITS = 2,
    AGENT_STAGE_DIRECTORY = 3,
    AGENT_STAGE_IDENTITY = 4,
    AGENT_STAGE_LOOKUP = 5,
    AGENT_STAGE_EXECUTE = 6,
};

/// What a child that failed writes to its report pipe.
struct agent_report {
    int32_t stage;
    int32_t error;
};

/// Forks a child that becomes the program, or writes an agent_report and exits.
/// Returns its pid, or -errno when there is no child. Does not wait.
int agent_start_child(const struct agent_child *child);

#endif
