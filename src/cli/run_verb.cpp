#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/built_commit.hpp"
#include "cli/launched_ranks.hpp"
#include "cli/run_arguments.hpp"
#include "cli/run_summary.hpp"
#include "cli/verbs.hpp"
#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"
#include "jobs/attempt.hpp"
#include "jobs/jsonl_log.hpp"
#include "jobs/partial_calibration.hpp"
#include "jobs/quantize_job.hpp"
#include "jobs/run_report.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::cli {
namespace {

bool parse(const Arguments& words, RunArguments& a) {
  CommandLine line("run", "Quantizes a model as a job file says (docs/job_reference.md).");
  line.argument("JOB.yaml", "the job", a.job);
  line.flag("resume", "go on where the work folder stands; start when there is nothing", a.resume);
  line.flag("fresh", "discard the run that the work folder holds, and start", a.fresh);
  line.options("set", "KEY=VALUE", "another value for a key of the job; may be given again", a.set);
  line.flag("json", "print the report as one JSON document on standard output", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example("tessera run configs/jobs/smollm2_vptq_2bit.yaml --resume");
  line.example("tessera run job.yaml --fresh --set quantize.vptq.num_res_centroids=16 --json");
  if (!line.parse(words)) return false;
  require_input(!(a.resume && a.fresh),
                "--resume and --fresh exclude each other (one goes on with the run in the work "
                "folder, the other discards it). Choose one.");
  return true;
}

/// The report with where things are, so that a program need not know how they are named.
JsonValue document_of(const jobs::RunReport& report) {
  JsonValue document = jobs::to_json(report);
  document.set("output", report.model_dir()).set("report", report.work_dir + "/report.html");
  return document;
}

int run_on_rank(const RunArguments& arguments, cluster::Communicator& comm, StopFlag& stop) {
  const auto terminal = terminal_of_first(comm.is_first(), arguments.verbose);
  const auto file = cluster::on_all_ranks(comm, [&] { return read_job_of(arguments); });
  const auto& settings = file.job.runtime;
  jobs::JsonlLog events(settings.work_dir / fmt::format("logs/rank-{:05}.jsonl", comm.rank()),
                        settings.work_dir / "journal.jsonl");
  jobs::TeeLog log(*terminal, events);
  for (const std::string& note : file.notes) log.info(note);

  Threads threads(threads_of_rank(comm, settings.threads));
  threads.poll_with([&] {
    stop.check();
    comm.progress();
  });
  jobs::RunContext context{threads,
                           log,
                           comm,
                           stop,
                           jobs::Deadline::find(settings.walltime_seconds, cluster::environment),
                           arguments.module};
  context.commit = built_commit();
  try {
    if (!file.job.calibration.only_shards.empty()) {
      const auto shards = jobs::run_partial_calibration(file.job, arguments.existing(), context);
      log.info(fmt::format("calibrated shards {} of {} into {}; tessera merge joins the parts",
                           fmt::join(shards, ", "), file.job.calibration.num_shards,
                           settings.work_dir.string()));
      events.end(kDone);
      return kDone;
    }
    const auto report = jobs::run_quantize_job(file.job, arguments.existing(), context);
    if (comm.is_first()) {
      fmt::print(stderr, "\n{}", run_summary(report));
      if (arguments.json) fmt::print("{}\n", document_of(report).to_text(2));
    }
    events.end(jobs::exit_code(report));
    return jobs::exit_code(report);
  } catch (const std::exception& error) {
    events.error(error.what());
    events.end(jobs::exit_code_of(error));
    throw;
  }
}

}  // namespace

int run_as_launched(const RunArguments& arguments) {
  return on_every_rank([&](cluster::Communicator& comm, StopFlag& stop) {
    return run_on_rank(arguments, comm, stop);
  });
}

int run_verb(const Arguments& words) {
  RunArguments arguments;
  return parse(words, arguments) ? run_as_launched(arguments) : kDone;
}

}  // namespace tessera::cli
