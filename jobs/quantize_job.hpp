#pragma once
#include "jobs/run_context.hpp"
#include "jobs/run_report.hpp"
#include "jobs/settings/job_settings.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Runs a job from its model to a published output: the story of a run. What it returns is also
/// stored in the work folder; exit_code(report) is what the program ends with.
///
/// A run that is killed at any point goes on with ExistingRun::resume and gives the same bytes.
/// Throws InputError (user's mistake: nothing is left under output.dir), MachineError, Bug.
RunReport run_quantize_job(const QuantizeJob& job, ExistingRun existing, RunContext& run);

}  // namespace tessera::jobs
