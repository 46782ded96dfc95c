#include "jobs/planned_time.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/core.h>

#include "calibration/flat_statistics.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/cost_model.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/planned_scratch.hpp"
#include "jobs/planned_windows.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

/// Scoring with compensation beside scoring without (docs/measurements.md).
constexpr double kCompensatedScore = 1.7;
constexpr double kHelperStart = 3;  // seconds until the tokenizer's interpreter is up

double real(std::integral auto value) {
  return static_cast<double>(value);
}

/// What a token costs in a block: multiply-adds of its weights and of attention, each two.
double block_flops(const model::ModelConfig& config, double length) {
  double weights = 0;
  for (const model::LinearLayer& layer : model::linear_layers(config, 0)) {
    const double size = real(layer.in_features) * real(layer.out_features);
    const double share =
        layer.expert ? real(config.experts_per_token) / real(config.num_experts) : 1.0;
    weights += share * size;
  }
  for (const model::SteeringLayer& layer : model::steering_layers(config, 0)) {
    weights += real(layer.out_features) * real(config.hidden_size);
  }
  const double seen = config.sliding_window ? std::min(real(*config.sliding_window), length / 2)
                                            : length / 2;  // positions a token looks at
  return 2 * weights + 4 * seen * real(config.q_size());
}

/// The same of the sums of x x^T that block @p block's inputs need.
double square_flops(const PreparedRun& prepared, std::size_t block) {
  const model::ModelConfig& config = prepared.config;
  double flops = 0;
  for (const auto& role : roles_of_block(prepared.units, block)) {
    const double n = real(channels_of(config, role));
    const double share =
        role.expert ? real(config.experts_per_token) / real(config.num_experts) : 1;
    flops += share * n * (n + 1);
  }
  return (prepared.extras.k_chunk > 0 ? 2 : 1) * flops;
}

class TimePlan {
 public:
  TimePlan(const PlannedModel& model, const ClusterSettings& cluster, const RunLayout& layout,
           double output_bytes)
      : model_(model),
        prepared_(model.prepared),
        config_(model.prepared.config),
        layout_(layout),
        clock_(cluster, layout),
        ranks_(real(layout.num_ranks)),
        output_bytes_(output_bytes) {
    for (const LayerUnit& unit : prepared_.units) {
      solved_bytes_ += real(solved_file_bytes(prepared_, unit));
      weights_ += real(unit.layer.in_features) * real(unit.layer.out_features);
    }
  }

  StageSeconds make() const {
    return {{prepare(), calibrate(), equalize(), solve(), correct(), assemble(), evaluate()}};
  }

 private:
  double prepare() const {
    const double digests =
        clock_.on_all_cores(real(model_.weight_bytes) / ranks_, clock_.core().digest_bytes);
    const auto& job = prepared_.job;
    double tokens = 0;
    const auto tokenize = [&](const std::vector<Path>& texts) {
      tokens +=
          kHelperStart + clock_.on_one_core(real(text_bytes(texts)), clock_.core().tokenized_bytes);
    };
    if (job.calibration.tokens.empty()) tokenize(job.calibration.text);
    if (!job.evaluation.text.empty()) tokenize({job.evaluation.text});
    return digests + tokens;
  }

  /// Embedding, head and positions as they lie in the files.
  double end_bytes() const {
    double bytes = 0;
    for (const std::string& name : model_.original.names()) {
      if (name != model::embedding_name(config_) && name != model::kHeadName) continue;
      const auto info = model_.original.info(name);
      bytes += real(info.count() * size_of(info.dtype));
    }
    return bytes;
  }
  double block_bytes() const {
    return std::max(0.0, real(model_.weight_bytes) - end_bytes()) / real(config_.num_blocks);
  }

  double calibrate() const {
    const auto& job = prepared_.job.calibration;
    const double shards = real(job.num_shards);
    const auto rounds = real((static_cast<std::size_t>(job.num_shards) + layout_.num_ranks - 1) /
                             layout_.num_ranks);
    const double tokens = real(job.num_samples) * job.max_seq_length * rounds / shards;
    const CoreRates& core = clock_.core();
    const double forward =
        clock_.on_all_cores(tokens * block_flops(config_, job.max_seq_length), core.product_flops);
    const double sent = real(reduction_bytes(prepared_, layout_.num_ranks)) / ranks_;
    double seconds = rounds * clock_.reading(end_bytes()) + clock_.sending(sent);
    const auto blocks = blocks_of(prepared_.units);
    for (std::size_t block = 0; block <= blocks.back(); ++block) {
      seconds += clock_.reading(block_bytes()) + forward;
      if (block < blocks.back()) {
        seconds += clock_.writing(real(hidden_bytes(prepared_)) * rounds / shards, rounds);
      }
      if (std::ranges::find(blocks, block) == blocks.end()) continue;
      const auto slabs = slab_files(config_, prepared_.units, block, prepared_.extras);
      double partial = 0;
      for (const SlabFile& slab : slabs) partial += sizeof(double) * real(slab.range.size());
      seconds += clock_.on_all_cores(tokens * square_flops(prepared_, block), core.square_flops) +
                 clock_.on_one_core(rounds * partial, core.reduced_bytes) +
                 clock_.writing(partial / ranks_, real(slabs.size()) / ranks_);
    }
    return seconds;
  }

  double equalize() const {
    if (!equalizes(prepared_.job.quantize)) return 0;
    std::vector<double> seconds;
    for (const std::size_t block : blocks_of(prepared_.units)) {
      seconds.push_back(equalize_seconds(model_, block, clock_));
    }
    return list_schedule(seconds, layout_.num_ranks);
  }

  double solve() const {
    std::vector<double> seconds;
    for (const std::size_t i : biggest_first(prepared_.units)) {
      seconds.push_back(unit_seconds(model_, prepared_.units[i], clock_));
    }
    return list_schedule(seconds, layout_.num_ranks);
  }

  /// Both models walked through each block once, and four times in part, which is about twice; the
  /// products of both once more.
  double correct() const {
    if (!corrects_in_order(prepared_.units)) return 0;
    constexpr double kPasses = 2 * (1 + 1.5 + 1);
    const auto& job = prepared_.job.calibration;
    const double shards = real(job.num_shards);
    const auto rounds = real((static_cast<std::size_t>(job.num_shards) + layout_.num_ranks - 1) /
                             layout_.num_ranks);
    const double tokens = real(job.num_samples) * job.max_seq_length * rounds / shards;
    const double blocks = real(blocks_of(prepared_.units).back() + 1);
    const double forward = clock_.on_all_cores(
        kPasses * tokens * block_flops(config_, job.max_seq_length), clock_.core().product_flops);
    const double hidden =
        clock_.writing(2 * real(hidden_bytes(prepared_)) * rounds / shards, 2 * rounds);
    return 2 * rounds * clock_.reading(end_bytes()) + clock_.reading(solved_bytes_) +
           clock_.on_one_core(weights_, clock_.core().decoded_weights) +
           blocks * (clock_.reading(block_bytes()) + forward + hidden);
  }

  /// Every rank reads every unit's report; then whole shards are written.
  double assemble() const {
    const double shards =
        std::ceil(std::max(1.0, output_bytes_ / real(prepared_.job.output.max_shard_size)));
    const double share = std::ceil(shards / ranks_) / shards;
    const double copied = end_bytes() * share;
    return clock_.reading(solved_bytes_ * (1 + share) + copied) +
           clock_.on_one_core(weights_ * share, clock_.core().decoded_weights) +
           clock_.on_one_core(output_bytes_ * share, clock_.core().digest_bytes) +
           clock_.writing(output_bytes_ * share, std::ceil(shards * share));
  }

  double evaluate() const {
    const double decode = clock_.on_one_core(weights_, clock_.core().decoded_weights);
    const double read_back = 2 * decode / ranks_;  // from the file, and from the unit
    const std::size_t windows = plan_windows(prepared_.job).count;
    if (windows == 0) return read_back;
    const auto length = static_cast<std::size_t>(prepared_.job.evaluation.context_length);
    const auto own = evaluation::windows_of_rank(windows, length, 0, layout_.num_ranks).size();
    const double tokens = real(own * length);
    const double head = 2 * real(config_.hidden_size) * real(config_.vocab_size);
    const double flops =
        tokens * (real(config_.num_blocks) * block_flops(config_, real(length)) + head);
    const std::uint64_t bound = prepared_.memory.max_hidden_bytes;
    const double hidden = tokens * real(config_.hidden_size) * sizeof(float);
    const double walks = bound == 0 ? 1 : std::ceil(std::max(1.0, hidden / real(bound)));
    const double forward = clock_.on_all_cores(flops, clock_.core().product_flops);
    const double ends = clock_.reading(end_bytes());
    const double original = forward + ends + walks * clock_.reading(real(model_.weight_bytes));
    const double packed = forward + ends + walks * (clock_.reading(output_bytes_) + decode);
    return read_back + original + packed * (1 + kCompensatedScore * num_compensated());
  }

  double num_compensated() const {
    const auto& job = prepared_.job;
    if (!job.residual.is_wanted()) return 0;
    const double asked = job.evaluation.k_chunks.empty() ? (job.residual.k_chunk > 0 ? 1 : 0)
                                                         : real(job.evaluation.k_chunks.size());
    return asked + (job.residual.budget.is_wanted() ? 2 : 0);
  }

  const PlannedModel& model_;
  const PreparedRun& prepared_;
  const model::ModelConfig& config_;
  const RunLayout layout_;
  const RankClock clock_;
  const double ranks_, output_bytes_;
  double solved_bytes_ = 0, weights_ = 0;
};

}  // namespace

double StageSeconds::total() const {
  return std::accumulate(of_stage.begin(), of_stage.end(), 0.0);
}

RankClock::RankClock(const ClusterSettings& cluster, const RunLayout& layout)
    : cluster_(cluster),
      cores_(real(layout.threads) * (layout.threads > 1 ? cluster.efficiency : 1.0)),
      read_bytes_(std::min(cluster.read_bytes, cluster.scratch_bytes / real(layout.num_ranks))),
      write_bytes_(std::min(cluster.write_bytes, cluster.scratch_bytes / real(layout.num_ranks))),
      network_bytes_(layout.num_nodes() > 1 ? cluster.network_bytes / real(layout.ranks_per_node)
                                            : cluster.core.reduced_bytes) {}

StageSeconds predict_seconds(const PlannedModel& model, const ClusterSettings& cluster,
                             const RunLayout& layout, double output_bytes) {
  return TimePlan(model, cluster, layout, output_bytes).make();
}

}  // namespace tessera::jobs
