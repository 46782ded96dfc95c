#pragma once
#include <string>
#include <vector>

#include "jobs/ledger_row.hpp"

namespace tessera::jobs {

/// The history of a ledger on one page that needs nothing else (html_page.hpp): for each recipe the
/// last verdict with its reasons, perplexity, bits, errors and time of its runs as curves with
/// every verdict marked, the errors of the worst layers run by run, and the runs in a table. The
/// last kMaxRuns of each recipe are drawn, numbered from its first.
std::string ledger_page(const std::vector<LedgerRow>& rows);

inline constexpr std::size_t kMaxRuns = 60;

}  // namespace tessera::jobs
