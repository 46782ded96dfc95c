#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Pushes the calibration samples through the original model, block by block, and commits the
/// statistics of each block's linear inputs (calibration/block-00004/statistics.h5).
///
/// Each calibration shard gives a partial, in batches of a fixed number of tokens; partials are
/// added to the block's sum in the order of the shards. That order is the promise: it does not
/// depend on threads or ranks. One block's weights, one partial and one sum are in memory, and the
/// hidden states of all samples (num_samples * sample_length * hidden_size floats), changed in
/// place. Blocks that are committed already only pass the hidden states on: the same bits as if
/// they had been calibrated in this attempt.
///
/// Throws InputError naming tensor or layer, block and sample for NaN or infinity.
void calibrate(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
