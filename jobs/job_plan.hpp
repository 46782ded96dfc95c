#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"
#include "jobs/memory_plan.hpp"
#include "jobs/planned_output.hpp"
#include "jobs/planned_scratch.hpp"
#include "jobs/planned_time.hpp"

// What a job will cost, before it is run: `tessera plan`.
namespace tessera::jobs {

/// The table that stands in where none is named.
inline constexpr const char* kDefaultCluster = "two_cores";

struct PlanRequest {
  QuantizeJob job;
  std::string job_name = "tessera";
  std::string cluster;        ///< a name or a file; empty: kDefaultCluster's rates, nobody's nodes
  std::size_t num_ranks = 0;  ///< 0: the job's slurm section, the named cluster's, or 1
  std::size_t ranks_per_node = 0;  ///< 0: likewise
  std::uint64_t node_memory = 0;   ///< bytes; 0: the named cluster's, or no bound
  Path like;  ///< the work folder of a run whose times scale the prediction; empty: the job's own
};

/// Batch windows of slurm.time.
struct PlannedWalltime {
  std::size_t num_attempts = 1;
  std::vector<std::string> sbatch_lines;
};

struct JobPlan {
  std::string job_name, cluster, cluster_source;
  RunLayout layout;
  bool has_weights = true;  ///< of the model; else sizes are those of config.json
  std::uint64_t original_bytes = 0;
  PlannedOutput output;
  PlannedScratch scratch;
  MemoryPlan memory;                      ///< of a rank
  std::uint64_t host_memory_bytes = 0;    ///< of the costliest stage on a rank
  std::uint64_t node_memory_bytes = 0;    ///< of the ranks of a node together
  std::uint64_t network_bytes = 0;        ///< that ranks hand each other
  std::uint64_t device_memory_bytes = 0;  ///< 0: this version computes on CPUs
  StageSeconds seconds;
  std::array<std::string, kPlannedStages.size()> sources;  ///< of each stage's time
  PlannedWalltime walltime;
  std::vector<std::string> remarks;   ///< what was assumed
  std::vector<std::string> problems;  ///< bounds that would be exceeded, and what would fit
};

/// Reads headers, the cluster's table and journals; writes nothing. Throws InputError where a run
/// of the job could not start.
JobPlan plan_job(const PlanRequest& request, Log& log);

/// The document of `tessera plan --json`: "output_bytes", "scratch_bytes", "host_memory_bytes",
/// "device_memory_bytes", "seconds": {stage: s, "total": s}, ... (docs/planning.md).
JsonValue to_json(const JobPlan& plan);

}  // namespace tessera::jobs
