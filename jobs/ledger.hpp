#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "jobs/ledger_row.hpp"

// A file of runs, one JSON object a line, oldest first (docs/formats.md). It only ever grows.
// Several processes, also on several nodes, may append: each holds the file's lock (flock(2), which
// NFS and Lustre pass on where they are mounted with it) from reading it to the end of its write.
namespace tessera::jobs {

struct Ledger {
  std::vector<LedgerRow> rows;
  std::vector<std::string> remarks;  ///< lines that were left out, and why; no lock to be had
};

/// Reads @p file; one that does not exist is an empty ledger. A last line without its end was being
/// written when a machine stopped: it is left out with a remark. Throws InputError naming the line
/// for what is JSON but no row of a version that this program knows.
Ledger read_ledger(const std::filesystem::path& file);

/// Appends the row that @p row_after makes of the ledger as it stands under the lock, and forces it
/// to the disk; nothing from it: appends nothing. Returns the ledger with the row. Throws
/// MachineError when the file cannot be written, or another process holds it for a minute.
Ledger append_to_ledger(const std::filesystem::path& file,
                        const std::function<std::optional<LedgerRow>(const Ledger&)>& row_after);

}  // namespace tessera::jobs
