#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "format/packed_model.hpp"
#include "format/vptq_sizes.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/residual_budget.hpp"
#include "jobs/run_context.hpp"
#include "jobs/run_report.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What was packed, and what the solve said of it.
struct AssembledModel {
  std::vector<LayerReport> layers;  ///< in the order of the units
  PackedSizes sizes;
  format::PackedSize packed;
  std::uint64_t bytes_before = 0, bytes_after = 0;    ///< of the weight files
  std::uint64_t residual_bytes = 0;                   ///< of the residual files
  std::map<std::string, std::string> weight_digests;  ///< of the files written: name -> SHA-256
  std::map<std::string, std::string> residual_digests;
  std::map<std::string, std::string> tensor_forms;  ///< of all tensors written: "F16 [576, 1536]"
  std::optional<ResidualBudget> residual_budget;    ///< where the job sets one
};

/// Writes OUTPUT.partial from the committed units, anew: packed safetensors, config.json, tokenizer
/// files. One layer is in memory at a time; files of a published output that would not differ are
/// taken over (assembled_shards.hpp).
/// @pre every unit is committed
AssembledModel assemble(RunContext& run, const PreparedRun& prepared, WorkFolder& work);

}  // namespace tessera::jobs
