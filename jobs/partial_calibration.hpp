#pragma once
#include <cstddef>
#include <vector>

#include "jobs/run_context.hpp"
#include "jobs/settings/job_settings.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Calibrates the shards of calibration.only_shards and keeps each one's partial sums
/// (calibration/block-00004/partial-...-shard-00002-of-00008.h5) for merge_calibrations(). Ranks
/// take shards in turn and do not talk. Returns the shards that the work folder holds, whole, when
/// it is done. Resumes like a run: a shard goes on after the last block it left. Collective.
/// @pre calibration.only_shards is not empty
std::vector<std::size_t> run_partial_calibration(const QuantizeJob& job, ExistingRun existing,
                                                 RunContext& run);

}  // namespace tessera::jobs
