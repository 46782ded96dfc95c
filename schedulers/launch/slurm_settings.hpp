#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/describe.hpp"

// What Slurm is asked for. Nothing here changes a result: a job gives the same bytes on any number
// of ranks.
namespace tessera::schedulers {

struct SlurmSettings {
  int nodes = 1;
  int ntasks_per_node = 1;
  int cpus_per_task = 0;  ///< 0: not asked for; what Slurm gives by default
  std::string time =
      "04:00:00";   ///< of one attempt: "MM", "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS"
  std::string mem;  ///< of a node, as Slurm takes it: "240G"; empty: not asked for
  std::string partition, account, qos, constraint;  ///< empty: not asked for
  int signal_seconds = 600;  ///< before the time is up, the run is asked to stop
  int max_attempts = 20;  ///< how often an interrupted run is requeued at most, the first included
  bool requeue = true;    ///< false where a site forbids it: attempts submit their successors
  std::string mpi = "pmix";  ///< how srun starts the ranks; `srun --mpi=list` shows what there is
  std::vector<std::string> options;  ///< further options of sbatch: "--exclusive"
  std::vector<std::string>
      setup;  ///< lines of the batch script before the run: "module load openmpi"
  bool operator==(const SlurmSettings&) const = default;

  int num_ranks() const { return nodes * ntasks_per_node; }
};

template <class Fields>
void describe(Fields& f, SlurmSettings& s) {
  f("nodes", s.nodes, "nodes to ask for", at_least(1));
  f("ntasks_per_node", s.ntasks_per_node, "ranks on each node: one for each GPU or NUMA node",
    at_least(1));
  f("cpus_per_task", s.cpus_per_task, "cores of each rank; 0 to leave it to Slurm", at_least(0));
  f("time", s.time, "walltime of one attempt, as Slurm writes it: HH:MM:SS or D-HH:MM:SS");
  f("mem", s.mem, "memory of a node, as Slurm takes it, such as 240G; empty to leave it to Slurm");
  f("partition", s.partition, "empty for Slurm's default");
  f("account", s.account, "empty for Slurm's default");
  f("qos", s.qos, "empty for Slurm's default");
  f("constraint", s.constraint, "features that nodes must have; empty for none");
  f("signal_seconds", s.signal_seconds,
    "how long before the walltime ends the run is asked to stop", at_least(1));
  f("max_attempts", s.max_attempts, "how often an interrupted run is started at most", at_least(1));
  f("requeue", s.requeue,
    "an interrupted run requeues itself; false where the site forbids that: then each attempt "
    "submits the next one, which waits for its end");
  f("mpi", s.mpi, "how srun starts the ranks; `srun --mpi=list` shows what the site has");
  f("options", s.options, "further options of sbatch, such as --exclusive, as they stand");
  f("setup", s.setup,
    "lines of the batch script before the run, such as 'module load openmpi', as they stand");
}
void check(Problems& problems, const SlurmSettings& s);

/// What Slurm's notation of a time limit means; nothing for what it does not accept.
std::optional<std::chrono::seconds> parse_time_limit(std::string_view text);

/// "#SBATCH --nodes=2" and so on: what a batch script that runs @p settings begins with, in a fixed
/// order, with the warning signal to the batch shell, requeueing and one appended log for all
/// attempts.
std::vector<std::string> sbatch_lines(const SlurmSettings& settings, std::string_view job_name);

}  // namespace tessera::schedulers
