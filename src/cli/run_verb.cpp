#include <cstdio>

#include <fmt/format.h>

#include "cli/run_summary.hpp"
#include "cli/terminal_log.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"
#include "jobs/jsonl_log.hpp"
#include "jobs/quantize_job.hpp"
#include "jobs/run_report.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::cli {
namespace {

struct RunArguments {
  std::string job;
  std::vector<std::string> set;
  bool resume = false, fresh = false, json = false, verbose = false;

  jobs::ExistingRun existing() const {
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

/// The report with where things are, so that a program need not know how they are named.
JsonValue document_of(const jobs::RunReport& report) {
  JsonValue document = jobs::to_json(report);
  document.set("output", report.model_dir()).set("report", report.work_dir + "/report.html");
  return document;
}

}  // namespace

int run_verb(const Arguments& words) {
  RunArguments arguments;
  if (!parse(words, arguments)) return kDone;

  TerminalLog terminal(stderr, {arguments.verbose, stderr_is_terminal()});
  const jobs::JobFile file = jobs::read_job(arguments.job, arguments.set);
  const auto& work = file.job.runtime.work_dir;
  jobs::JsonlLog events(work / "logs/rank-00000.jsonl", work / "journal.jsonl");
  jobs::TeeLog log(terminal, events);
  for (const std::string& note : file.notes) log.info(note);

  Threads threads(static_cast<std::size_t>(file.job.runtime.threads));
  jobs::RunContext context{threads, log};
  try {
    const auto report = jobs::run_quantize_job(file.job, arguments.existing(), context);
    fmt::print(stderr, "\n{}", run_summary(report));
    if (arguments.json) fmt::print("{}\n", document_of(report).to_text(2));
    events.end(jobs::exit_code(report));
    return jobs::exit_code(report);
  } catch (const std::exception& error) {
    events.error(error.what());
    throw;
  }
}

}  // namespace tessera::cli
