#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"

// Whether the disks hold what a run writes, said before hours are spent.
namespace tessera::jobs {

/// Bytes that a run leaves in its work folder at most, and in its output.
struct RunBytes {
  std::uint64_t work = 0, output = 0;
};
RunBytes bytes_of_run(const PreparedRun& prepared);

/// What a run still has to write to a file system, beside what is free there.
struct DiskNeed {
  std::string what;  ///< "the output"
  std::filesystem::path folder;
  std::uint64_t needed = 0, free = 0;  ///< bytes

  bool fits() const { return needed <= free; }
  /// "the output takes 3.0 GB, 2.0 GB are free in /data"; with what to do where it does not fit.
  std::string to_text() const;
};

/// Of the work folder's and the output's file system, or of the one that is both. What lies in the
/// work folder and in OUTPUT.partial from earlier attempts is taken off.
std::vector<DiskNeed> disk_needs(const PreparedRun& prepared);

/// Why the work folder will hold more than runtime.scratch; empty: it will not.
std::string scratch_problem(const PreparedRun& prepared);

/// Throws InputError where runtime.scratch is too small, MachineError where a disk is too full.
void require_disk(const PreparedRun& prepared);

}  // namespace tessera::jobs
