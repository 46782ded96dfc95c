#pragma once
#include <cstdint>
#include <string>
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
  bool corrected_in_memory = true;     ///< the same of both models' where biases are corrected
  std::uint64_t max_hidden_bytes = 0;  ///< evaluation's, 0 for all windows at once
  /// The most each stage holds on a rank, 0 for a stage that the job does not have.
  std::uint64_t calibrate_bytes = 0, equalize_bytes = 0, allocate_bytes = 0, solve_bytes = 0,
                correct_bytes = 0, assemble_bytes = 0, evaluate_bytes = 0;
  std::uint64_t least_evaluate_bytes = 0;  ///< with as few windows at hand as possible

  std::uint64_t peak_bytes() const;     ///< of the costliest stage
  std::string costliest_stage() const;  ///< "calibrating"
};

/// What each stage keeps on the first of @p num_ranks ranks, with the choices that
/// runtime.host_memory (0: no bound) asks for, whether they fit or not: the resident set, program
/// and libraries included.
MemoryPlan reckon_memory(const QuantizeJob& job, const model::ModelConfig& config,
                         const std::vector<LayerUnit>& units, std::size_t num_ranks,
                         std::size_t num_threads);

/// The stages that cannot fit @p bound (0: none), a sentence each: what they take at least, and
/// why.
std::vector<std::string> memory_problems(const MemoryPlan& plan, std::uint64_t bound);

/// As reckon_memory; throws InputError with the first problem, before anything is computed.
MemoryPlan plan_memory(const QuantizeJob& job, const model::ModelConfig& config,
                       const std::vector<LayerUnit>& units, std::size_t num_ranks,
                       std::size_t num_threads);

}  // namespace tessera::jobs
