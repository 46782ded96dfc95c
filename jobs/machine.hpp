#pragma once
#include <cstdint>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

MachineReport describe_machine(std::size_t num_threads);

/// Largest resident set of this process so far.
std::uint64_t peak_memory_bytes();

/// Gives back to the system what is free: the C library keeps freed blocks of less than 32 MiB, of
/// which a stage that moves activations leaves hundreds of megabytes.
void release_free_memory();

}  // namespace tessera::jobs
