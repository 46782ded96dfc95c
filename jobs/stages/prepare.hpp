#pragma once
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

/// Opens the model, checks it against the job, the output format and the memory that is allowed,
/// from headers alone. Writes nothing. Throws InputError for the user's mistakes, with numbers, on
/// all ranks. Collective.
PreparedRun open_inputs(RunContext& run, const QuantizeJob& job, const WorkFolder& work,
                        ExistingRun existing);

/// The same on this rank alone, whatever the work folder holds: for a preflight, whose ranks tell
/// each other what failed.
PreparedRun open_on_this_rank(RunContext& run, const QuantizeJob& job);

/// Gets the tokens, fingerprints everything, and starts or resumes the run in @p work. Writes below
/// the work folder only. Collective.
void prepare(RunContext& run, PreparedRun& prepared, WorkFolder& work, ExistingRun existing);

}  // namespace tessera::jobs
