#pragma once
#include <cstdint>

#include "jobs/run_report.hpp"

namespace tessera::jobs {

MachineReport describe_machine(std::size_t num_threads);

/// Largest resident set of this process so far.
std::uint64_t peak_memory_bytes();

}  // namespace tessera::jobs
