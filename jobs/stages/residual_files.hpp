#pragma once
#include <map>
#include <string>
#include <vector>

#include "jobs/assembled_shards.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Writes decdec_residual.safetensors, or its shards and their index, beside the packed weights
/// in @p folder: whole shards by rank, one layer in memory at a time. Nothing where the job makes
/// no residuals. Collective.
/// @pre the packed weights are written, and @p assembled has their digests
void write_residual_files(RunContext& run, const PreparedRun& prepared, const WorkFolder& work,
                          AssembledShards& shards, const Path& folder, AssembledModel& assembled);

/// What those files hold, and what their headers say of themselves.
struct ResidualContents {
  std::vector<model::TensorToWrite> tensors;  ///< filled from @p work's units
  std::map<std::string, std::string> metadata;
};
/// @pre as write_residual_files; @p work outlives the result
ResidualContents residual_contents(const PreparedRun& prepared, const WorkFolder& work,
                                   const AssembledModel& assembled);

/// Throws InputError naming a layer whose residual the file could not hold.
void require_residual_sizes(const PreparedRun& prepared);

}  // namespace tessera::jobs
