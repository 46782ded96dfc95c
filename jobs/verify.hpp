#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/gate/verdict.hpp"

namespace tessera::jobs {

/// What was looked at, and what is wrong with it.
struct Verification {
  std::filesystem::path path;
  std::string kind;                   ///< "output" or "work folder"
  std::size_t num_files = 0;          ///< whose size and digest were compared
  std::size_t num_tensors = 0;        ///< that were read and checked; of an output
  std::vector<std::string> findings;  ///< one sentence each
  std::vector<std::string> remarks;   ///< what is no damage, but worth saying
  Verdict verdict;                    ///< of an output: the findings by check

  bool is_sound() const { return findings.empty(); }
};

/// Checks a folder against what it says of itself, offline, writing nothing:
///
///     an output      what the gate asked before it was published (jobs/gate/checks.hpp), against
///                    its own manifest; and that its GATE.json says that it passed
///     a work folder  every committed file against its journalled digest. Activations that are gone
///                    are no damage: they are dropped when the next block is committed
///
/// Throws InputError for a folder that is neither. One tensor is in memory at a time.
Verification verify(const std::filesystem::path& folder);

/// The kinds; verify() chooses.
Verification verify_output(const std::filesystem::path& folder);
Verification verify_work_folder(const std::filesystem::path& folder);

JsonValue to_json(const Verification& verification);

}  // namespace tessera::jobs
