#pragma once
#include "core/log.hpp"
#include "jobs/prepared_run.hpp"

// What can be said of a job from its model's config.json, before any weight or text is there.
namespace tessera::jobs {

/// Reads config.json, checks it against the job, and plans the units. No weights, memory or tokens
/// yet. Throws InputError for the user's mistakes: a model that is quantized already, sequences
/// longer than it has positions, targets that match nothing.
PreparedRun open_config(const QuantizeJob& job);

/// What the output format cannot hold is an error now and not after the solve; what only some
/// engines cannot run is said once.
void check_format(Log& log, const PreparedRun& prepared);

}  // namespace tessera::jobs
