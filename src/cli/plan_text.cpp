#include "cli/plan_text.hpp"

#include <fmt/core.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

std::string text_of(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

std::string line(const char* name, const std::string& value) {
  return fmt::format("{:<16}{}\n", name, value);
}

std::string bytes_lines(const jobs::JobPlan& plan) {
  const auto& scratch = plan.scratch;
  std::string text = line(
      "output", fmt::format("{} in {} files: weights {} ({:.2f} bits a weight){}, of {}",
                            text_of(plan.output.total_bytes()), plan.output.files.size(),
                            text_of(plan.output.weight_bytes), plan.output.packed.bits_per_weight(),
                            plan.output.residual_bytes > 0
                                ? ", residuals " + text_of(plan.output.residual_bytes)
                                : "",
                            text_of(plan.original_bytes)));
  text += line(
      "scratch",
      fmt::format("{} in {} files: sums {}, two blocks' activations {}, solved {}",
                  text_of(scratch.peak_bytes), scratch.num_files, text_of(scratch.statistics_bytes),
                  text_of(2 * scratch.hidden_bytes), text_of(scratch.solved_bytes)));
  text += line("host memory",
               fmt::format("{} a rank ({}), {} a node", text_of(plan.host_memory_bytes),
                           plan.memory.costliest_stage(), text_of(plan.node_memory_bytes)));
  text += line("device memory", "none: this version computes on CPUs");
  return text + line("network", text_of(plan.network_bytes) + " handed from rank to rank");
}

std::string time_lines(const jobs::JobPlan& plan) {
  std::string text;
  for (std::size_t stage = 0; stage < jobs::kPlannedStages.size(); ++stage) {
    if (plan.seconds[stage] == 0) continue;
    text +=
        line(jobs::kPlannedStages[stage],
             fmt::format("{:<9} by {}", duration_text(plan.seconds[stage]), plan.sources[stage]));
  }
  return text +
         line("total", fmt::format("{:<9} in {} attempt{} of the walltime",
                                   duration_text(plan.seconds.total()), plan.walltime.num_attempts,
                                   plan.walltime.num_attempts == 1 ? "" : "s"));
}

}  // namespace

std::string plan_text(const jobs::JobPlan& plan) {
  const auto& layout = plan.layout;
  std::string text =
      line("on", fmt::format("{} rank{} of {} threads on {} node{}", layout.num_ranks,
                             layout.num_ranks == 1 ? "" : "s", layout.threads, layout.num_nodes(),
                             layout.num_nodes() == 1 ? "" : "s"));
  text += bytes_lines(plan) + "\n" + time_lines(plan);
  text += fmt::format("\nrates of {} ({})\n", plan.cluster, plan.cluster_source);
  for (const std::string& remark : plan.remarks) text += "note: " + remark + "\n";
  text += "\n";
  for (const std::string& option : plan.walltime.sbatch_lines) text += option + "\n";
  return text;
}

}  // namespace tessera::cli
