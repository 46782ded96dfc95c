#include "jobs/start_attempt.hpp"

#include <chrono>
#include <optional>

#include "cluster/start_limit.hpp"
#include "jobs/stages/prepare.hpp"

namespace tessera::jobs {
namespace {

/// Opening many files and waiting for a lock may take this long on top.
constexpr double kOpeningSeconds = 30;

}  // namespace

StartedAttempt start_attempt(RunContext& run, const QuantizeJob& job, const WorkFolder& work,
                             ExistingRun existing) {
  std::optional<cluster::StartLimit> limit;
  if (run.comm.size() > 1) {
    const std::chrono::duration<double> seconds(job.runtime.hung_after_seconds + kOpeningSeconds);
    limit.emplace(run.stop, std::chrono::duration_cast<std::chrono::milliseconds>(seconds),
                  "every rank opens the model and the work folder");
  }
  PreparedRun prepared = open_inputs(run, job, work, existing);
  auto attempt = std::make_unique<Attempt>(run, job.runtime);
  return {std::move(prepared), std::move(attempt)};
}

}  // namespace tessera::jobs
