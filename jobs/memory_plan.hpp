#pragma once
#include <cstdint>
#include <vector>

#include "jobs/plan.hpp"
#include "jobs/settings/job_settings.hpp"
#include "model/model_config.hpp"

namespace tessera::jobs {

/// How a rank stays within runtime.host_memory: what it keeps in memory and what it leaves in the
/// work folder. No choice here changes a result.
struct MemoryPlan {
  bool hidden_in_memory =
      true;  ///< calibration's hidden states; else read and written a shard at a time
  std::uint64_t max_hidden_bytes = 0;  ///< evaluation's, 0 for all windows at once
  /// At most, by stage; evaluating with as few windows at hand as possible.
  std::uint64_t calibrate_bytes = 0, solve_bytes = 0, assemble_bytes = 0, evaluate_bytes = 0;
};

/// Bounds of what each stage keeps on one of @p num_ranks ranks, and the choices that fit
/// runtime.host_memory (0: no bound). Throws InputError, before anything is computed, naming the
/// stage that cannot fit, what it takes at least, and why.
MemoryPlan plan_memory(const QuantizeJob& job, const model::ModelConfig& config,
                       const std::vector<LayerUnit>& units, std::size_t num_ranks,
                       std::size_t num_threads);

}  // namespace tessera::jobs
