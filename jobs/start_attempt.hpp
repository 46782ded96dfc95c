#pragma once
#include <memory>

#include "jobs/attempt.hpp"
#include "jobs/prepared_run.hpp"
#include "jobs/run_context.hpp"
#include "jobs/work_folder.hpp"

namespace tessera::jobs {

struct StartedAttempt {
  PreparedRun prepared;
  std::unique_ptr<Attempt> attempt;
};

/// Opens the inputs (stages/prepare.hpp) and takes the work folder. A rank that hangs in that, when
/// nobody watches over it yet, ends the others' wait half a minute after hung_after_seconds: they
/// throw Interrupted. Throws InputError as open_inputs() does. Collective.
StartedAttempt start_attempt(RunContext& run, const QuantizeJob& job, const WorkFolder& work,
                             ExistingRun existing);

}  // namespace tessera::jobs
