#pragma once
#include <vector>

#include "jobs/gate/check_output.hpp"
#include "jobs/gate/check_scores.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What the packed model is worth, measured on the files just written.
struct Scores : QualityScores {
  std::vector<CompensatedReport> compensated;  ///< with residuals, by rising k_chunk
};

/// Reads OUTPUT.partial back through the independent reader and measures the perplexity of the
/// original and of the packed model and how far their next tokens diverge, on the same windows;
/// then the perplexity with residuals. Scores are committed, so that a resumed run does not measure
/// again. Of a model that the gate has refused nothing is measured.
Scores evaluate(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                const CheckedOutput& checked, WorkFolder& work);

}  // namespace tessera::jobs
