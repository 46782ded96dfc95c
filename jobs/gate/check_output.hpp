#pragma once
#include "format/manifest.hpp"
#include "jobs/gate/verdict.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// What the gate found in OUTPUT.partial before anything was scored.
struct CheckedOutput {
  Verdict verdict;
  format::Manifest manifest;  ///< what the folder consists of; the digests of tensors as read
};

/// Compares OUTPUT.partial, as it lies on the disk, with what was meant (checks.hpp) and with what
/// was solved and the original (check_layers.hpp). Tensors and layers share out over the ranks; all
/// get the same result. Collective.
CheckedOutput check_output(RunContext& run, const PreparedRun& prepared,
                           const AssembledModel& assembled, const WorkFolder& work);

}  // namespace tessera::jobs
