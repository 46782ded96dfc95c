#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/built_commit.hpp"
#include "cli/launched_ranks.hpp"
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

struct RunArguments {
  std::string job;
  std::string module;  // of a redo
  std::vector<std::string> set;
  bool resume = false, fresh = false, json = false, verbose = false;

  jobs::ExistingRun existing() const {
    if (!module.empty()) return jobs::ExistingRun::redo;
    if (resume) return jobs::ExistingRun::resume;
    return fresh ? jobs::ExistingRun::discard : jobs::ExistingRun::refuse;
  }
};

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

bool parse_redo(const Arguments& words, RunArguments& a) {
  CommandLine line(
      "redo",
      "Solves some layers of a finished or interrupted run again, with other settings "
      "where --set gives\nthem (quantize.vptq.* and quantize.aweq.*), and makes the output anew. Of "
      "all layers (--module '.*')\nany setting that calibration does not depend on may change.");
  line.argument("JOB.yaml", "the job of the run", a.job);
  line.option("module", "PATTERN", "which layers: a pattern, as in quantize.targets", a.module);
  line.options("set", "KEY=VALUE", "another value for these layers; may be given again", a.set);
  line.flag("json", "print the report as one JSON document on standard output", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example("tessera redo job.yaml --module '.*' --set quantize.dampening_frac=0.1");
  line.example(
      "tessera redo job.yaml --module 'layers\\.0\\.mlp\\..*' --set "
      "quantize.vptq.num_res_centroids=256");
  if (!line.parse(words)) return false;
  require_input(
      !a.module.empty(),
      "--module is missing (redo solves the layers that it matches). Name some, or run with "
      "--fresh.");
  return true;
}

/// The job with the settings that --set gives put first among the overrides, for the named layers.
/// Of all layers, they are the job's own.
jobs::JobFile job_of_redo(const RunArguments& a) {
  if (a.module == ".*") return jobs::read_job(a.job, a.set);
  jobs::JobFile file = jobs::read_job(a.job, {});
  jobs::QuantizeJob changed = jobs::read_job(a.job, a.set).job;
  const jobs::LayerOverride own{a.module, changed.quantize.vptq, changed.quantize.aweq};
  changed.quantize.vptq = file.job.quantize.vptq;
  changed.quantize.aweq = file.job.quantize.aweq;
  require_input(changed == file.job,
                "redo --set changes a key that is none of quantize.vptq and quantize.aweq (other "
                "layers would need it, too). Name all layers with --module '.*', or run with "
                "--fresh.");
  if (own.vptq == changed.quantize.vptq && own.aweq == changed.quantize.aweq) return file;
  auto& overrides = file.job.quantize.overrides;
  overrides.insert(overrides.begin(), own);
  return file;
}

/// The report with where things are, so that a program need not know how they are named.
JsonValue document_of(const jobs::RunReport& report) {
  JsonValue document = jobs::to_json(report);
  document.set("output", report.model_dir()).set("report", report.work_dir + "/report.html");
  return document;
}

int run_on_rank(const RunArguments& arguments, cluster::Communicator& comm, StopFlag& stop) {
  const auto terminal = terminal_of_first(comm.is_first(), arguments.verbose);
  const auto file = cluster::on_all_ranks(comm, [&] {
    return arguments.module.empty() ? jobs::read_job(arguments.job, arguments.set)
                                    : job_of_redo(arguments);
  });
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

int run_as_launched(const RunArguments& arguments) {
  return on_every_rank([&](cluster::Communicator& comm, StopFlag& stop) {
    return run_on_rank(arguments, comm, stop);
  });
}

}  // namespace

int run_verb(const Arguments& words) {
  RunArguments arguments;
  return parse(words, arguments) ? run_as_launched(arguments) : kDone;
}

int redo_verb(const Arguments& words) {
  RunArguments arguments;
  return parse_redo(words, arguments) ? run_as_launched(arguments) : kDone;
}

}  // namespace tessera::cli
