#include <fmt/format.h>

#include "cli/run_arguments.hpp"
#include "cli/terminal_log.hpp"
#include "cli/verbs.hpp"
#include "cluster/self_communicator.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"
#include "jobs/stale_parts.hpp"

namespace tessera::cli {
namespace {

bool parse_redo(const Arguments& words, RunArguments& a) {
  CommandLine line(
      "redo",
      "Solves some layers of a finished or interrupted run again, with other settings "
      "where --set gives\nthem (quantize.vptq.* and quantize.aweq.*), and makes the output anew. "
      "Of "
      "all layers (--module '.*')\nany setting that calibration does not depend on may change.");
  line.argument("JOB.yaml", "the job of the run", a.job);
  line.option("module", "PATTERN", "which layers: a pattern, as in quantize.targets", a.module);
  line.options("set", "KEY=VALUE", "another value for these layers; may be given again", a.set);
  line.flag("dry-run", "say what would be made again and what kept; change nothing", a.dry_run);
  line.flag("json", "print the report as one JSON document on standard output", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example("tessera redo job.yaml --module '.*' --set quantize.dampening_frac=0.1");
  line.example("tessera redo job.yaml --module 'layers\\.0\\..*' --dry-run");
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

/// Says what a redo would do, on one rank and without a lock: it only reads.
int preview(const RunArguments& a) {
  const jobs::JobFile file = read_job_of(a);
  TerminalLog log(stderr, TerminalLog::Options{a.verbose, stderr_is_terminal()});
  Threads threads(1);
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext context{threads, log, alone, stop, {}, a.module};
  const jobs::StaleParts stale = jobs::preview_redo(context, file.job);
  if (a.json) {
    fmt::print("{}\n", jobs::to_json(stale).to_text(2));
    return kDone;
  }
  for (const std::string& line : jobs::lines_of(stale)) fmt::print("{}\n", line);
  fmt::print("nothing was changed\n");
  return kDone;
}

}  // namespace

jobs::JobFile read_job_of(const RunArguments& arguments) {
  return arguments.module.empty() ? jobs::read_job(arguments.job, arguments.set)
                                  : job_of_redo(arguments);
}

int redo_verb(const Arguments& words) {
  RunArguments arguments;
  if (!parse_redo(words, arguments)) return kDone;
  return arguments.dry_run ? preview(arguments) : run_as_launched(arguments);
}

}  // namespace tessera::cli
