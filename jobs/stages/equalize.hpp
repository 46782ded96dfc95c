#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Finds and commits what the inputs of each block are divided by, from the statistics (aweq.md
/// sections 1 and 8). Blocks are drawn from the ticket counter and never talk; pairs of a block are
/// independent, since a scale of a row changes no rounding of it. Nothing where the job does not
/// equalize.
/// @pre every block's statistics are committed
void equalize(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
