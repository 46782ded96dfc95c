#pragma once
#include "jobs/gate/checks.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/work_folder.hpp"
#include "model/tensor_source.hpp"

// What only the run can ask, since it has the original and what was solved.
namespace tessera::jobs {

/// "layers": each packed layer of @p packed, as its reader dequantizes it, is what was solved, and
/// its error |W - W'|^2 / |W|^2 against the original (equalized, where the job does that) is the
/// one that was written down at the solve. The reader and the solver add in their own ways: both
/// may differ by the rounding of one fp32 operation, and by no more; integers may not differ at
/// all.
void check_layers(const PreparedRun& prepared, const WorkFolder& work,
                  const EqualizedWeights& original, const model::TensorSource& packed, Share share,
                  Verdict& verdict);

/// "originals": every other tensor of the architecture (embeddings, norms, layers left alone,
/// biases) is the original's, equalized where the job does that, in the stored type; corrected
/// biases are those that were solved. "config": so is every key of config.json that packing has no
/// business with.
void check_originals(const PreparedRun& prepared, const PackedSizes& sizes, const WorkFolder& work,
                     const EqualizedWeights& original, const model::TensorSource& packed,
                     Share share, Verdict& verdict);

}  // namespace tessera::jobs
