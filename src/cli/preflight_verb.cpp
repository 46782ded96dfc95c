#include <cstdio>

#include <fmt/format.h>

#include "cli/launched_ranks.hpp"
#include "cli/preflight_text.hpp"
#include "cli/verbs.hpp"
#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "core/threads.hpp"
#include "jobs/preflight.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::cli {
namespace {

struct PreflightArguments {
  std::string job;
  std::vector<std::string> set;
  bool preflight = false, json = false, verbose = false;
};

bool parse(const Arguments& words, PreflightArguments& a) {
  CommandLine line("plan",
                   "Tries on the ranks it is started on what a job would otherwise fail at after "
                   "hours: its largest\nfactorization and codebook, a block's sums over all ranks, "
                   "disks and their locks, memory, clocks,\nweights and tokenizer. Exit code 4: "
                   "some of it failed.");
  line.argument("JOB.yaml", "the job", a.job);
  line.flag("preflight", "try the job on these ranks", a.preflight);
  line.options("set", "KEY=VALUE", "another value for a key of the job; may be given again", a.set);
  line.flag("json", "print the findings as one JSON document on standard output", a.json);
  line.flag("verbose", "log more", a.verbose, 'v');
  line.example("tessera plan configs/jobs/smollm2_vptq_2bit.yaml --preflight");
  line.example("srun --mpi=pmix tessera plan job.yaml --preflight --json");
  if (!line.parse(words)) return false;
  require_input(a.preflight, "--preflight is missing (it is what this verb does). Give it.");
  return true;
}

int preflight_on_rank(const PreflightArguments& arguments, cluster::Communicator& comm,
                      StopFlag& stop) {
  const auto log = terminal_of_first(comm.is_first(), arguments.verbose);
  const auto file =
      cluster::on_all_ranks(comm, [&] { return jobs::read_job(arguments.job, arguments.set); });
  for (const std::string& note : file.notes) log->info(note);
  Threads threads(threads_of_rank(comm, file.job.runtime.threads));
  threads.poll_with([&] {
    stop.check();
    comm.progress();
  });
  jobs::RunContext context{threads, *log, comm, stop};
  const jobs::PreflightReport report = jobs::preflight(context, file.job);
  if (comm.is_first()) {
    fmt::print(stderr, "{}", preflight_text(report));
    if (arguments.json) fmt::print("{}\n", jobs::to_json(report).to_text(2));
  }
  return report.has_failed() ? kGateFailed : kDone;
}

}  // namespace

int preflight_verb(const Arguments& words) {
  PreflightArguments arguments;
  if (!parse(words, arguments)) return kDone;
  return on_every_rank([&](cluster::Communicator& comm, StopFlag& stop) {
    return preflight_on_rank(arguments, comm, stop);
  });
}

}  // namespace tessera::cli
