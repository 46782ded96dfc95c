#pragma once
#include <string>

#include "jobs/ledger_verdict.hpp"

namespace tessera::cli {

/// `tessera compare` with --ledger.
struct LedgerArguments {
  std::string folder;  ///< a work folder or an output
  std::string ledger, name, page, exit_code, error;
  bool append = false, json = false;
  jobs::VerdictBounds bounds;
};

/// Compares a run with the last good row of its model and recipe, appends it and draws the page
/// where asked, and says the verdict: for people on lines of which the first is "NAME: VERDICT".
/// A run whose report is in the ledger already is not entered twice: its verdict stands. Returns
/// the exit code.
int compare_with_ledger(const LedgerArguments& arguments);

}  // namespace tessera::cli
