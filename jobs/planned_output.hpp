#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "format/packed_model.hpp"
#include "jobs/planned_model.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// A file of the output before it is made.
struct OutputFile {
  std::string name;
  std::uint64_t bytes = 0;
};

/// What the output folder will consist of. Weights, residuals, index and config are to the byte,
/// unless a bias is corrected or an input's zero point found that is not 0; README.md and the
/// manifest quote numbers nobody knows yet, and are to a few bytes.
struct PlannedOutput {
  std::vector<OutputFile> files;
  std::uint64_t weight_bytes = 0;    ///< of the packed safetensors
  std::uint64_t residual_bytes = 0;  ///< of the residuals' safetensors
  format::PackedSize packed;

  std::uint64_t total_bytes() const;
};

/// From headers: each tensor is laid out as it will be written, and none is filled.
/// @param work the job's work folder, which is not read
PlannedOutput plan_output(const PlannedModel& model, const WorkFolder& work);

}  // namespace tessera::jobs
