#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/run_arguments.hpp"
#include "cli/run_summary.hpp"
#include "cli/signals.hpp"
#include "cli/terminal_log.hpp"
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

/// Says nothing on ranks other than the first: people read one terminal.
class QuietButFirst {
 public:
  QuietButFirst(bool is_first, bool is_verbose) {
    if (is_first) {
      log_ = std::make_unique<TerminalLog>(stderr,
                                           TerminalLog::Options{is_verbose, stderr_is_terminal()});
    } else {
      log_ = std::make_unique<SilentLog>();
    }
  }
  Log& get() { return *log_; }

 private:
  std::unique_ptr<Log> log_;
};

std::size_t threads_of_rank(cluster::Communicator& comm, const jobs::RuntimeSettings& settings) {
  const std::size_t local_size = cluster::ranks_of_this_node(comm);
  if (settings.threads > 0) return static_cast<std::size_t>(settings.threads);
  return cluster::threads_for_rank(Threads::cores_available(), std::thread::hardware_concurrency(),
                                   local_size);
}

int run_on_rank(const RunArguments& arguments, cluster::Communicator& comm, StopFlag& stop) {
  QuietButFirst terminal(comm.is_first(), arguments.verbose);
  const auto file = cluster::on_all_ranks(comm, [&] { return read_job_of(arguments); });
  const auto& settings = file.job.runtime;
  jobs::JsonlLog events(settings.work_dir / fmt::format("logs/rank-{:05}.jsonl", comm.rank()),
                        settings.work_dir / "journal.jsonl");
  jobs::TeeLog log(terminal.get(), events);
  for (const std::string& note : file.notes) log.info(note);

  Threads threads(threads_of_rank(comm, settings));
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
  static StopFlag stop;
  stop_on_signals(stop);
  const auto launched = cluster::launch_environment();
  if (!launched.launcher.empty()) stop_without_launcher();
  const auto comm = cluster::connect(launched, stop);
  try {
    return run_on_rank(arguments, *comm, stop);
  } catch (...) {
    // Together, so that a launcher sees one exit code and not the signals it ends stragglers with.
    constexpr double kGraceSeconds = 10;
    comm->leave_together(kGraceSeconds);
    throw;
  }
}

int run_verb(const Arguments& words) {
  RunArguments arguments;
  return parse(words, arguments) ? run_as_launched(arguments) : kDone;
}

}  // namespace tessera::cli
