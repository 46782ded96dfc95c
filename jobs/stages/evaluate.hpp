#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/perplexity.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What the packed model is worth, measured on the files just written.
struct Scores {
  std::optional<evaluation::Perplexity> original, quantized;  ///< where the job names a text
  std::vector<CompensatedReport> compensated;  ///< with residuals, by rising k_chunk
  std::vector<std::string>
      damage;  ///< what the files hold otherwise than was solved; empty when all is well
};

/// Reads OUTPUT.partial back through the independent reader: every tensor is there, finite, and
/// each packed layer dequantizes to what was solved. Then the perplexity of the original and of the
/// packed model, and of that with its residuals; scores are committed, so that a resumed run does not measure again.
Scores evaluate(RunContext& run, const PreparedRun& prepared, const AssembledModel& assembled,
                WorkFolder& work);

}  // namespace tessera::jobs
