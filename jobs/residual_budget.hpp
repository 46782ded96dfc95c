#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_report.hpp"

namespace tessera::jobs {

/// What is fetched for each token, shared out over all layers by what it is worth on the
/// calibration tokens (core/knapsack.hpp).
struct ResidualBudget {
  std::uint64_t bytes_per_token = 0;                ///< at most
  std::string text;                                 ///< "bytes_per_token 500000"
  std::map<std::string, std::uint64_t> k_chunk_of;  ///< by layer
  std::uint64_t uniform_k_chunk = 0;  ///< the largest that costs no more, the same in all layers
};

/// Nothing where the job sets no budget. A device's budget is what its bus carries while its memory
/// is read for the packed layers once: their bytes times the ratio of the bandwidths.
/// @param layers as solved, in the order of the units
std::optional<ResidualBudget> plan_residual_budget(const PreparedRun& prepared,
                                                   const std::vector<LayerReport>& layers);

}  // namespace tessera::jobs
