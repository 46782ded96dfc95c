#pragma once
#include <cstdint>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

MachineReport describe_machine(std::size_t num_threads);

/// What this process could still take: what the system calls available, and no more than its control
/// groups (cgroup v2) leave; pages of files that nobody uses count as free.
std::uint64_t available_memory_bytes();

/// Largest resident set of this process so far.
std::uint64_t peak_memory_bytes();

}  // namespace tessera::jobs
