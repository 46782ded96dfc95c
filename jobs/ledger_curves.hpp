#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "jobs/ledger_row.hpp"

// The pictures of the ledger's page.
namespace tessera::jobs {

/// The runs of one recipe that are drawn.
struct RecipeRuns {
  std::string name;
  std::vector<const LedgerRow*> rows;  ///< oldest first; at least one
  std::size_t first_number = 1;        ///< of rows.front(), among all of its recipe

  const LedgerRow& last() const { return *rows.back(); }
};

/// Perplexity, bits, errors and time, run by run, with every verdict marked.
std::string ledger_curves(const RecipeRuns& runs);

/// The errors of the worst layers, run by run: those that ever rose past a bound, then those with
/// the largest error. Empty where no run holds errors of layers.
std::string ledger_layer_map(const RecipeRuns& runs);

/// "1.3042", "0.0213", of the page's numbers of one kind alike.
std::string ledger_score_text(double value);
std::string ledger_error_text(double value);

/// Nothing where no times are known.
std::optional<double> ledger_seconds(const LedgerRow& row);

}  // namespace tessera::jobs
