#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Solves every unit that is not committed, the costliest first, and commits it
/// (solved/block-00004/mlp.down_proj.h5). A unit reads its weights and its Hessian and nothing
/// else, so units may be solved in any order and anywhere. In memory: one layer's weights, one
/// Hessian (kept for the next unit when that reads the same input), the solver's own.
/// @pre calibrate has committed the statistics of every block
void solve(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
