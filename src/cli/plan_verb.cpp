#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "cli/plan_text.hpp"
#include "cli/terminal_log.hpp"
#include "cli/verbs.hpp"
#include "config/scalar_reader.hpp"
#include "core/error.hpp"
#include "jobs/job_plan.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::cli {
namespace {

struct PlanArguments {
  std::string job, cluster, like, node_memory;
  std::vector<std::string> set;
  std::size_t ranks = 0, ranks_per_node = 0;
  bool preflight = false, json = false;
};

bool parse(const Arguments& words, PlanArguments& a) {
  CommandLine line(
      "plan",
      "Says what a job will cost, from config.json and the headers of the weights alone "
      "(docs/planning.md):\nbytes of output, scratch and memory, seconds by stage, and "
      "#SBATCH lines. Ends with 4 where a bound\nwould be exceeded.");
  line.argument("JOB.yaml", "the job", a.job);
  line.option("ranks", "N", "processes; else as in the job's slurm section, or 1", a.ranks, 1);
  line.option("ranks-per-node", "M", "of them on each node", a.ranks_per_node, 1);
  line.option("node-memory", "SIZE", "main memory of a node, such as 240GiB", a.node_memory);
  line.option("cluster", "NAME|FILE", "a machine of configs/clusters, or a table of your own",
              a.cluster);
  line.option("like", "WORK_DIR", "a run whose times scale the prediction; else the job's own",
              a.like);
  line.options("set", "KEY=VALUE", "another value for a key of the job; may be given again", a.set);
  line.flag("preflight",
            "instead, try the job on the ranks this is started on; see --preflight --help",
            a.preflight);
  line.flag("json", "print the plan as one JSON document on standard output", a.json);
  line.example("tessera plan configs/jobs/smollm2_vptq_2bit.yaml");
  line.example(
      "tessera plan configs/jobs/llama3_70b_vptq_2bit.yaml --cluster h100_node --ranks 16");
  return line.parse(words);
}

std::uint64_t node_memory_of(const PlanArguments& a) {
  if (a.node_memory.empty()) return 0;
  const auto bytes = config::parse_bytes(a.node_memory);
  require_input(bytes && *bytes > 0,
                fmt::format("--node-memory is {} (it must be a size). Write 240GiB or 256GB.",
                            a.node_memory));
  return *bytes;
}

jobs::PlanRequest request_of(const PlanArguments& a, Log& log) {
  jobs::JobFile file = jobs::read_job(a.job, a.set);
  for (const std::string& note : file.notes) log.info(note);
  jobs::PlanRequest request;
  request.job = std::move(file.job);
  request.job_name = std::filesystem::path(a.job).stem().string();
  request.cluster = a.cluster;
  request.num_ranks = a.ranks;
  request.ranks_per_node = a.ranks_per_node;
  request.node_memory = node_memory_of(a);
  request.like = a.like;
  return request;
}

}  // namespace

int plan_verb(const Arguments& words) {
  if (std::ranges::find(words, "--preflight") != words.end()) return preflight_verb(words);
  PlanArguments arguments;
  if (!parse(words, arguments)) return kDone;
  TerminalLog log(stderr, {false, stderr_is_terminal()});
  const jobs::JobPlan plan = jobs::plan_job(request_of(arguments, log), log);
  fmt::print("{}", arguments.json ? to_json(plan).to_text(2) + "\n" : plan_text(plan));
  for (const std::string& problem : plan.problems) log.warning(problem);
  return plan.problems.empty() ? kDone : kGateFailed;
}

}  // namespace tessera::cli
