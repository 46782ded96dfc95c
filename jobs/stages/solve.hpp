#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Solves every unit that is not committed, the costliest first, and commits it
/// (solved/block-00004/mlp.down_proj.h5). A unit reads its weights and its Hessian and nothing
/// else, so units may be solved in any order and anywhere. In memory: one layer's weights, one
/// Hessian (kept for the next unit when that reads the same input), the solver's own.
///
/// A layer that fails is put aside (quarantine/block-00004/mlp.down_proj.h5 says why) until all
/// others are solved; then it climbs quantize.ladder: more dampening, rung by rung, and at last the
/// fallback. Beside a layer that is kept, those that engines load as one with it are kept too
/// (jobs/kept_together.hpp). Every try stands in its report, and the run ends degraded. Throws
/// InputError naming all layers that no rung held; what is solved stays.
/// @pre calibrate has committed the statistics of every block
void solve(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
