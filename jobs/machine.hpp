#pragma once
#include <cstdint>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

MachineReport describe_machine(std::size_t num_threads);

/// What this process could still take: what the system calls available, and no more than its
/// control groups (cgroup v2) leave; pages of files that nobody uses count as free.
std::uint64_t available_memory_bytes();

/// Largest resident set of this process so far.
std::uint64_t peak_memory_bytes();

/// Gives back to the system what is free: the C library keeps freed blocks of less than 32 MiB, of
/// which a stage that moves activations leaves hundreds of megabytes.
void release_free_memory();

}  // namespace tessera::jobs
