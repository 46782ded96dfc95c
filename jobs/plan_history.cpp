#include "jobs/plan_history.hpp"

#include <algorithm>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"
#include "jobs/planned_output.hpp"
#include "jobs/run_report.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::jobs {
namespace {

constexpr double kShortestSeconds = 0.5;

/// Where the run was finished; else one rank with the threads of its job.
RunLayout layout_of(const Path& work_dir, const QuantizeJob& job) {
  const Path file = work_dir / "report.json";
  RunLayout layout;
  layout.threads = job.runtime.threads > 0 ? static_cast<std::size_t>(job.runtime.threads)
                                           : Threads::cores_available();
  if (!std::filesystem::exists(file)) return layout;
  const RunReport report =
      report_from_json(JsonValue::parse(read_text_file(file), file.string()), file.string());
  layout.num_ranks = std::max<std::size_t>(1, report.machine.num_ranks);
  layout.threads = std::max<std::size_t>(1, report.machine.num_threads);
  layout.ranks_per_node = layout.num_ranks;
  return layout;
}

}  // namespace

bool PlanHistory::is_empty() const {
  return std::ranges::all_of(factor, [](double f) { return f == 0; });
}

PlanHistory read_history(const std::filesystem::path& work_dir, const ClusterSettings& cluster,
                         Log& log) {
  PlanHistory history;
  history.work_dir = work_dir.string();
  const Path job_file = work_dir / "job.yaml";
  if (!std::filesystem::exists(job_file)) return history;
  try {
    const QuantizeJob job = read_job(job_file).job;
    const WorkFolder work(work_dir, log);
    SilentLog silent;  // what that job would be warned of, it was
    const PlannedModel model = open_planned(job, silent);
    const PlannedOutput output = plan_output(model, work);
    const StageSeconds predicted =
        predict_seconds(model, cluster, layout_of(work_dir, job),
                        static_cast<double>(output.weight_bytes + output.residual_bytes));
    for (std::size_t stage = 0; stage < kPlannedStages.size(); ++stage) {
      const double measured = work.seconds_of(kPlannedStages[stage]);
      if (measured < kShortestSeconds || predicted[stage] <= 0) continue;
      history.factor[stage] = measured / predicted[stage];
    }
  } catch (const InputError& error) {
    log.warning(std::string(error.what()) + " (so the times of that run are not used)");
  }
  return history;
}

}  // namespace tessera::jobs
