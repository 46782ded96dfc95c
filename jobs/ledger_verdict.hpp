#pragma once
#include <string>
#include <vector>

#include "jobs/ledger_row.hpp"

// What a run is worth beside the last good one of the same model and recipe.
namespace tessera::jobs {

/// How much may change to the worse, as shares of what was. One program gives one job the same
/// bytes on any number of ranks, so between nights all of this is zero until the program, its
/// libraries or the processor change; then rounding differs here and there and iterations take
/// other ways, about as with another seed. The defaults are what seeds of a small job differ by
/// (docs/nightly.md), rounded up.
struct VerdictBounds {
  double perplexity = 0.03;   ///< of quantized over original perplexity
  double layer_error = 0.25;  ///< of a layer's proxy error
  double bits = 0;       ///< of the bits per weight, which follow from shapes and settings alone
  double seconds = 0.5;  ///< of the time, where machine and ranks are the same; only warned of
};

/// The last row of @p name and this model (by content: folders may move) that is good; nullptr
/// when there is none.
const LedgerRow* last_good(const std::vector<LedgerRow>& rows, const std::string& name,
                           const std::string& model_sha256);

/// @p good may be nullptr. Perplexities are compared where both were scored alike, errors of layers
/// where both rows hold them; what could not be compared is warned of.
Verdict judge(const LedgerRow& row, const LedgerRow* good, const VerdictBounds& bounds);

/// 0, or 4 where the verdict is worse or failed.
int exit_code(const Verdict& verdict);

}  // namespace tessera::jobs
