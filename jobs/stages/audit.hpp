#pragma once
#include <string>
#include <vector>

#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// One input's statistics, looked at before anything is solved from them.
struct InputAudit {
  std::string name;  ///< "block 3, mlp_input"
  std::size_t num_channels = 0;
  std::size_t num_dead = 0;      ///< channels that were zero for every token
  std::size_t num_constant = 0;  ///< channels that had one value, not zero
  std::size_t rank = 0;          ///< numerical rank of the Hessian, where it was looked for
};

/// What exceeds the job's limits, a sentence each.
std::vector<std::string> audit_problems(const InputAudit& found, const AuditSettings& limits);

/// Samples whose tokens are those of an earlier one, as "5 repeats 2".
std::vector<std::string> repeated_samples(std::span<const std::uint32_t> tokens,
                                          std::size_t num_samples, std::size_t length);

/// The gate before the solve: looks at the calibration samples and, where a limit can
/// be exceeded, at the statistics of every input, blocks shared out over the ranks. Throws
/// InputError naming what is beyond calibration.audit; warns of repeated samples within the limit.
/// @pre every block's statistics are committed
void audit(RunContext& run, const PreparedRun& prepared, const WorkFolder& work);

}  // namespace tessera::jobs
