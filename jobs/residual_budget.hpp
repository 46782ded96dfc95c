#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_report.hpp"

namespace tessera::jobs {

/// Where the measurements for it are kept (jobs/stages/share_residuals.hpp), what they are made on.
inline constexpr const char* kResidualStudy = "residual-budget";
inline constexpr std::size_t kResidualStudySamples = 4, kResidualStudyGroups = 3;

/// What is fetched for each token, shared out over all layers by what it is worth.
struct ResidualBudget {
  std::uint64_t bytes_per_token = 0;                ///< at most
  std::string text;                                 ///< "bytes_per_token 500000"
  std::map<std::string, std::uint64_t> k_chunk_of;  ///< by layer; empty until it is shared out
  std::uint64_t uniform_k_chunk = 0;  ///< the largest that costs no more, the same in all layers
};

/// The budget of a job that sets one. A device's is what its bus carries while its memory is read
/// for the packed layers once: their bytes times the ratio of the bandwidths.
/// @param layers as solved, in the order of the units
ResidualBudget plan_residual_budget(const PreparedRun& prepared,
                                    const std::vector<LayerReport>& layers);

/// The share of a layer's output error that the largest inputs of each chunk leave: between the
/// k_chunk at which it was measured on a straight line. 0 where nothing was measured.
double error_left(const LayerReport& layer, std::uint64_t k_chunk);

/// Bytes that a token fetches of a layer; of an expert's its share, as if all were sent to alike.
std::uint64_t fetched_bytes(const model::ModelConfig& config, const LayerUnit& unit,
                            std::uint64_t k_chunk, std::uint64_t bits);

/// Chooses k_chunk for each layer, from 3/8 to 5/2 of the uniform one, so that the sum of what is
/// lost is least (core/knapsack.hpp).
/// @param losses of the units where all have the uniform k_chunk (jobs/loss_weights.hpp); at
/// another they go by the error that it leaves
void share_out(ResidualBudget& budget, const PreparedRun& prepared,
               const std::vector<LayerReport>& layers, std::span<const double> losses);

}  // namespace tessera::jobs
