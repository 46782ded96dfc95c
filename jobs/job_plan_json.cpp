#include "jobs/job_plan.hpp"
#include "jobs/json_archive.hpp"

namespace tessera::jobs {
namespace {

template <class Values>
JsonValue by_stage(const Values& values) {
  JsonValue object = JsonValue::object();
  for (std::size_t stage = 0; stage < kPlannedStages.size(); ++stage) {
    object.set(kPlannedStages[stage], values[stage]);
  }
  return object;
}

JsonValue memory_of(const MemoryPlan& memory) {
  return JsonValue::object()
      .set("calibrate", memory.calibrate_bytes)
      .set("equalize", memory.equalize_bytes)
      .set("solve", memory.solve_bytes)
      .set("correct", memory.correct_bytes)
      .set("assemble", memory.assemble_bytes)
      .set("evaluate", memory.evaluate_bytes);
}

JsonValue files_of(const PlannedOutput& output) {
  JsonValue files = JsonValue::list();
  for (const OutputFile& file : output.files) {
    files.append(JsonValue::object().set("name", file.name).set("bytes", file.bytes));
  }
  return files;
}

}  // namespace

JsonValue to_json(const JobPlan& plan) {
  return JsonValue::object()
      .set("job", plan.job_name)
      .set("cluster", plan.cluster)
      .set("cluster_source", plan.cluster_source)
      .set("ranks", plan.layout.num_ranks)
      .set("ranks_per_node", plan.layout.ranks_per_node)
      .set("nodes", plan.layout.num_nodes())
      .set("threads", plan.layout.threads)
      .set("has_weights", plan.has_weights)
      .set("original_bytes", plan.original_bytes)
      .set("output_bytes", plan.output.total_bytes())
      .set("weight_bytes", plan.output.weight_bytes)
      .set("residual_bytes", plan.output.residual_bytes)
      .set("bits_per_weight", plan.output.packed.bits_per_weight())
      .set("output_files", files_of(plan.output))
      .set("scratch_bytes", plan.scratch.peak_bytes)
      .set("scratch", JsonValue::object()
                          .set("tokens", plan.scratch.tokens_bytes)
                          .set("statistics", plan.scratch.statistics_bytes)
                          .set("hidden", plan.scratch.hidden_bytes)
                          .set("solved", plan.scratch.solved_bytes)
                          .set("files", plan.scratch.num_files))
      .set("host_memory_bytes", plan.host_memory_bytes)
      .set("node_memory_bytes", plan.node_memory_bytes)
      .set("host_memory", memory_of(plan.memory))
      .set("device_memory_bytes", plan.device_memory_bytes)
      .set("network_bytes", plan.network_bytes)
      .set("seconds", by_stage(plan.seconds).set("total", plan.seconds.total()))
      .set("seconds_source", by_stage(plan.sources))
      .set("slurm_windows", plan.walltime.num_attempts)
      .set("sbatch", json_of(plan.walltime.sbatch_lines))
      .set("remarks", json_of(plan.remarks))
      .set("problems", json_of(plan.problems));
}

}  // namespace tessera::jobs
