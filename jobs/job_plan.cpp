#include "jobs/job_plan.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "core/threads.hpp"
#include "jobs/plan_history.hpp"
#include "jobs/planned_windows.hpp"

namespace tessera::jobs {
namespace {

std::size_t size(int value) {
  return static_cast<std::size_t>(value);
}
std::string text_of(std::uint64_t bytes) {
  return bytes_text(static_cast<double>(bytes));
}

bool asks_slurm(const QuantizeJob& job) {
  return job.slurm != schedulers::SlurmSettings{};
}

RunLayout layout_of(const PlanRequest& request, const ClusterSettings& cluster) {
  const QuantizeJob& job = request.job;
  const bool is_named = !request.cluster.empty();
  RunLayout layout;
  if (asks_slurm(job)) {
    layout.num_ranks = size(job.slurm.num_ranks());
    layout.ranks_per_node = size(job.slurm.ntasks_per_node);
  } else if (is_named) {
    layout.num_ranks = size(cluster.num_ranks());
    layout.ranks_per_node = size(cluster.ranks_per_node);
  }
  if (request.num_ranks > 0) layout.num_ranks = request.num_ranks;
  if (request.ranks_per_node > 0) layout.ranks_per_node = request.ranks_per_node;
  layout.ranks_per_node = std::min(layout.ranks_per_node, layout.num_ranks);
  const std::size_t cores =
      is_named ? size(cluster.cores_per_rank * cluster.ranks_per_node) : Threads::cores_available();
  const std::size_t share = std::max<std::size_t>(1, cores / layout.ranks_per_node);
  layout.threads = share;
  if (asks_slurm(job) && job.slurm.cpus_per_task > 0)
    layout.threads = size(job.slurm.cpus_per_task);
  if (job.runtime.threads > 0) layout.threads = size(job.runtime.threads);
  if (is_named) layout.threads = std::min(layout.threads, share);  // no more than its nodes have
  return layout;
}

/// Reckons, and says what does not fit and what would.
class Planner {
 public:
  Planner(const PlanRequest& request, Log& log)
      : request_(request),
        log_(log),
        cluster_(read_cluster(request.cluster.empty() ? kDefaultCluster : request.cluster)),
        work_(request.job.runtime.work_dir, log),
        model_(open_planned(request.job, log)) {
    node_memory_ = request.node_memory;
    if (node_memory_ == 0 && !request.cluster.empty()) node_memory_ = cluster_.node_memory;
  }

  JobPlan make() {
    plan_.job_name = request_.job_name;
    plan_.layout = layout_of(request_, cluster_);
    plan_.cluster = request_.cluster.empty() ? kDefaultCluster : request_.cluster;
    plan_.cluster_source =
        fmt::format("{}: {}", name_of_value(cluster_.source), cluster_.source_text);
    plan_.has_weights = model_.has_weights;
    plan_.original_bytes = model_.weight_bytes;
    plan_.remarks = model_.remarks;
    plan_.output = plan_output(model_, work_);
    plan_.scratch = plan_scratch(model_.prepared);
    plan_.network_bytes = reduction_bytes(model_.prepared, plan_.layout.num_ranks);
    reckon_bytes();
    predict();
    fit_walltime();
    look_for_problems();
    if (!request_.cluster.empty() && cluster_.device_memory > 0) {
      plan_.remarks.emplace_back(
          "this version computes on CPUs: accelerators are not used, and times are those of the "
          "host");
    }
    if (request_.job.quantize.method == Method::aweq &&
        request_.job.quantize.aweq.bias_correction != solver::BiasCorrection::off) {
      plan_.remarks.emplace_back(
          "a bias that is corrected would add a few bytes for each output channel");
    }
    return std::move(plan_);
  }

 private:
  /// With runtime.host_memory as the job has it, or @p bound.
  MemoryPlan reckon(std::size_t num_ranks, std::size_t threads, std::uint64_t bound) const {
    QuantizeJob job = request_.job;
    job.runtime.host_memory = bound;
    return reckon_memory(job, model_.prepared.config, model_.prepared.units, num_ranks, threads);
  }

  void reckon_bytes() {
    const RunLayout& layout = plan_.layout;
    plan_.memory = reckon(layout.num_ranks, layout.threads, request_.job.runtime.host_memory);
    plan_.host_memory_bytes = plan_.memory.peak_bytes();
    plan_.node_memory_bytes = plan_.host_memory_bytes * layout.ranks_per_node;
    model_.prepared.memory = plan_.memory;
  }

  void predict() {
    const PlannedWindows windows = plan_windows(request_.job);
    if (!windows.remark.empty()) plan_.remarks.push_back(windows.remark);
    const auto output_bytes =
        static_cast<double>(plan_.output.weight_bytes + plan_.output.residual_bytes);
    plan_.seconds = predict_seconds(model_, cluster_, plan_.layout, output_bytes);
    const bool is_given = !request_.like.empty();
    const PlanHistory history =
        read_history(is_given ? request_.like : request_.job.runtime.work_dir, cluster_, log_);
    require_input(
        !is_given || !history.is_empty(),
        fmt::format("--like is {} (it is no work folder of a run that finished a stage, or "
                    "the model of that run is gone). Name another, or leave it out.",
                    request_.like.string()));
    for (std::size_t stage = 0; stage < kPlannedStages.size(); ++stage) {
      plan_.sources[stage] = plan_.cluster;
      if (history.factor[stage] == 0) continue;
      plan_.seconds[stage] *= history.factor[stage];
      plan_.sources[stage] = history.work_dir;
    }
  }

  /// The job's slurm section, filled up with what the plan knows.
  void fit_walltime() {
    schedulers::SlurmSettings slurm = request_.job.slurm;
    slurm.nodes = static_cast<int>(plan_.layout.num_nodes());
    slurm.ntasks_per_node = static_cast<int>(plan_.layout.ranks_per_node);
    const auto threads = static_cast<int>(plan_.layout.threads);
    if (slurm.cpus_per_task == 0 || slurm.cpus_per_task > threads) slurm.cpus_per_task = threads;
    if (slurm.mem.empty()) {
      constexpr double kRoom = 1.15, kGigabyte = 1 << 30;
      slurm.mem = fmt::format(
          "{:.0f}G", std::ceil(kRoom * static_cast<double>(plan_.node_memory_bytes) / kGigabyte));
    }
    const auto limit = schedulers::parse_time_limit(slurm.time);
    require(limit.has_value(), "a job's time limit was checked when it was read");
    const double usable = static_cast<double>(limit->count()) - slurm.signal_seconds;
    plan_.walltime.num_attempts =
        static_cast<std::size_t>(std::max(1.0, std::ceil(plan_.seconds.total() / usable)));
    plan_.walltime.sbatch_lines = schedulers::sbatch_lines(slurm, request_.job_name);
    if (plan_.walltime.num_attempts > size(slurm.max_attempts)) {
      plan_.problems.push_back(fmt::format(
          "slurm.max_attempts is {} ({} of {} each are needed). Raise it, ask for more nodes, or "
          "for a longer slurm.time.",
          slurm.max_attempts, plan_.walltime.num_attempts, slurm.time));
    }
  }

  void look_for_problems() {
    const auto shards = size(request_.job.calibration.num_shards);
    if (plan_.layout.num_ranks > shards) {
      plan_.remarks.push_back(
          fmt::format("{} of {} ranks have no calibration shard (calibration.num_shards is {})",
                      plan_.layout.num_ranks - shards, plan_.layout.num_ranks, shards));
    }
    for (auto& problem : memory_problems(plan_.memory, request_.job.runtime.host_memory)) {
      plan_.problems.push_back(std::move(problem));
    }
    if (node_memory_ > 0 && plan_.node_memory_bytes > node_memory_) {
      plan_.problems.push_back(fmt::format("a node has {} ({} ranks take {}, most of it {}). {}",
                                           text_of(node_memory_), plan_.layout.ranks_per_node,
                                           text_of(plan_.node_memory_bytes),
                                           plan_.memory.costliest_stage(), what_fits_a_node()));
    }
    const std::uint64_t scratch = request_.job.runtime.scratch;
    if (scratch > 0 && plan_.scratch.peak_bytes > scratch) {
      plan_.problems.push_back(
          fmt::format("runtime.scratch is {} (the work folder will hold {}). {}", text_of(scratch),
                      text_of(plan_.scratch.peak_bytes), what_fits_scratch(scratch)));
    }
  }

  /// A bound that the program keeps with as many ranks, or fewer ranks.
  std::string what_fits_a_node() const {
    const RunLayout& layout = plan_.layout;
    const std::uint64_t share = node_memory_ / layout.ranks_per_node;
    if (memory_problems(reckon(layout.num_ranks, layout.threads, share), share).empty()) {
      return fmt::format("It fits with runtime.host_memory: {}MiB.", share >> 20);
    }
    for (std::size_t ranks = layout.ranks_per_node - 1; ranks > 0; --ranks) {
      const std::uint64_t larger = node_memory_ / ranks;
      const std::size_t all = layout.num_nodes() * ranks;
      const std::size_t threads = layout.threads * layout.ranks_per_node / ranks;
      if (!memory_problems(reckon(all, threads, larger), larger).empty()) continue;
      return fmt::format("It fits with {} ranks a node and runtime.host_memory: {}MiB.", ranks,
                         larger >> 20);
    }
    return fmt::format("One rank alone takes {} at least: use nodes with more memory.",
                       text_of(reckon(layout.num_nodes(), layout.threads, 1).peak_bytes()));
  }

  std::string what_fits_scratch(std::uint64_t scratch) const {
    const PlannedScratch& s = plan_.scratch;
    const std::uint64_t sums = s.peak_bytes - std::max(2 * s.hidden_bytes, s.solved_bytes);
    const auto samples = static_cast<std::uint64_t>(request_.job.calibration.num_samples);
    const std::uint64_t of_sample = std::max<std::uint64_t>(1, 2 * s.hidden_bytes / samples);
    const std::string allow = fmt::format("Allow {}MiB", (s.peak_bytes >> 20) + 1);
    if (s.peak_bytes < 2 * s.hidden_bytes || scratch < sums + of_sample ||
        scratch < sums + s.solved_bytes) {
      return allow + ", or quantize fewer layers.";
    }
    return fmt::format("{}, or calibrate on {} samples of that length.", allow,
                       std::min(samples, (scratch - sums) / of_sample));
  }

  const PlanRequest& request_;
  Log& log_;
  const ClusterSettings cluster_;
  const WorkFolder work_;
  PlannedModel model_;
  std::uint64_t node_memory_ = 0;
  JobPlan plan_;
};

}  // namespace

JobPlan plan_job(const PlanRequest& request, Log& log) {
  return Planner(request, log).make();
}

}  // namespace tessera::jobs
