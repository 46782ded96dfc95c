#include "jobs/quantize_job.hpp"

#include <chrono>
#include <string>

#include "cluster/agreement.hpp"
#include "jobs/disk_needs.hpp"
#include "jobs/gate/check_output.hpp"
#include "jobs/machine.hpp"
#include "jobs/stages/allocate.hpp"
#include "jobs/stages/assemble.hpp"
#include "jobs/stages/audit.hpp"
#include "jobs/stages/calibrate.hpp"
#include "jobs/stages/correct.hpp"
#include "jobs/stages/equalize.hpp"
#include "jobs/stages/evaluate.hpp"
#include "jobs/stages/prepare.hpp"
#include "jobs/stages/publish.hpp"
#include "jobs/stages/solve.hpp"
#include "jobs/start_attempt.hpp"

namespace tessera::jobs {
namespace {

/// Notes in the journal how long a stage took, when it has ended.
template <class Stage>
auto timed(RunContext& run, WorkFolder& work, const std::string& name, Stage&& stage) {
  const auto start = std::chrono::steady_clock::now();
  const auto note = [&] {
    release_free_memory();  // no stage begins with what another one left
    if (!run.comm.is_first()) return;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    work.record_stage(name, taken.count(), peak_memory_bytes());
  };
  if constexpr (std::is_void_v<decltype(stage())>) {
    stage();
    note();
  } else {
    auto result = stage();
    note();
    return result;
  }
}

}  // namespace

RunReport run_quantize_job(const QuantizeJob& job, ExistingRun existing, RunContext& run) {
  WorkFolder work(job.runtime.work_dir, run.log, run.comm.rank());
  auto [prepared, attempt] = start_attempt(run, job, work, existing);

  return attempt->guard([&] {
    timed(run, work, "prepare", [&] { prepare(run, prepared, work, existing); });
    if (auto stored = report_of_finished_run(prepared, work)) return *stored;
    work.verify(run.comm);
    cluster::on_first_rank(run.comm, [&] { require_disk(prepared); });

    timed(run, work, "calibrate", [&] { calibrate(run, prepared, work); });
    audit(run, prepared, work);
    timed(run, work, "equalize", [&] { equalize(run, prepared, work); });
    timed(run, work, "allocate", [&] { prepared.units = allocate(run, prepared, work); });
    timed(run, work, "solve", [&] { solve(run, prepared, work); });
    timed(run, work, "correct", [&] { correct(run, prepared, work); });
    const auto model = timed(run, work, "assemble", [&] { return assemble(run, prepared, work); });
    const auto checked =
        timed(run, work, "check", [&] { return check_output(run, prepared, model, work); });
    const auto scores =
        timed(run, work, "evaluate", [&] { return evaluate(run, prepared, model, checked, work); });
    return publish(run, prepared, model, checked, scores, work);
  });
}

}  // namespace tessera::jobs
