#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "jobs/ledger_row.hpp"

namespace tessera::jobs {

/// What is to be entered for a run.
struct LedgerEntry {
  std::filesystem::path folder;  ///< its work folder, or its output
  std::string name;              ///< of the recipe; empty: the folder's name
  /// What the run ended with, where the caller saw it: a run that was killed cannot say, and one
  /// that was refused early leaves no folder.
  std::optional<int> exit_code;
  std::string error;   ///< and said, for a run whose folder does not tell
  std::string commit;  ///< this program's, for runs that left no report
};

/// The row of a run, without time and verdict. A work folder tells all; an output knows its scores
/// and digests, but neither times nor errors by layer.
///
/// Throws InputError for a folder that is neither, that is not there (unless exit_code says that
/// the run failed), or whose run still goes on.
LedgerRow row_of_run(const LedgerEntry& entry);

}  // namespace tessera::jobs
