#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Pushes the calibration samples through the original model, block by block, and commits the
/// statistics of each block's linear inputs (calibration/block-00004/statistics-mlp_input-...h5).
///
/// Calibration shard s is computed by rank s mod R in round s div R, in batches of a fixed number
/// of tokens; after each round the owner of each slab of a sum adds the round's partials in rank
/// order. Rounds follow each other, so the order of addition is that of the shards for every R. A
/// rank holds one block's weights, one partial, its slabs of the sums and, where host_memory
/// allows, the hidden states of its shards.
///
/// A block is committed when all its slabs and the hidden states after it are; the next attempt
/// goes on after the last such block. Lost work is never above one block.
///
/// Throws InputError naming the tensor for weights that are NaN or infinite; activations that are
/// so are noted, and their layers fail later (not_finite.hpp). Throws Interrupted before a block
/// that the walltime has no room for. Collective.
void calibrate(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
