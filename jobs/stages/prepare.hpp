#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Opens the model, checks it against the job, gets the tokens, fingerprints everything, and starts
/// or resumes the run in
/// @p work. Nothing is written before the model, the settings and the folders have been found good;
/// then only below the work folder. Throws InputError for the user's mistakes, with numbers.
PreparedRun prepare(RunContext& run, const QuantizeJob& job, WorkFolder& work,
                    ExistingRun existing);

}  // namespace tessera::jobs
