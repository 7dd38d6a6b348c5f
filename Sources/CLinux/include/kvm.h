// The guest loop that shows whether /dev/kvm really runs guest code.
#ifndef CLINUX_KVM_H
#define CLINUX_KVM_H

#include <stdint.h>
#include <sys/types.h>

/// The step at which the trial ended.
enum linux_kvm_stage {
    linux_kvm_done = 0,
    linux_kvm_open,
    linux_kvm_version,
    linux_kvm_create,
    linux_kvm_memory,
    linux_kvm_processor,
    linux_kvm_run,
    linux_kvm_exit,
    linux_kvm_time,
    linux_kvm_child,
};

/// What a trial found.
struct linux_kvm_trial {
    /// Where it ended: linux_kvm_done when the guest ran its loop to the end.
    int stage;
    /// The errno of the failed call, or KVM's exit reason with linux_kvm_exit.
    int number;
    /// How long the loop took, in nanoseconds.
    int64_t duration;
};

/// Runs `iterations` of a two-instruction loop in 64-bit mode in a child process that is killed when the loop takes
/// longer than `limit` milliseconds or its preparation longer than two seconds.
struct linux_kvm_trial linux_kvm_try(uint32_t iterations, int limit);

#endif
