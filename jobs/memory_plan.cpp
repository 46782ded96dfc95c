#include "jobs/memory_plan.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "cluster/reduce_to_owners.hpp"
#include "core/error.hpp"
#include "core/human_text.hpp"
#include "evaluation/perplexity.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/depth_groups.hpp"
#include "jobs/equalized_weights.hpp"
#include "jobs/planned_windows.hpp"
#include "jobs/residual_budget.hpp"
#include "jobs/solve_memory.hpp"
#include "linalg/syrk.hpp"

namespace tessera::jobs {
namespace {

using Bytes = std::uint64_t;

/// The program's and its libraries' pages, and tokens.
constexpr Bytes kProgram = Bytes{30} << 20;
/// What the allocator keeps of freed blocks below its 32 MiB while statistics and layers come and
/// go, and while a model is only walked through. Measured, with small models.
constexpr Bytes kKept = Bytes{50} << 20, kKeptWalking = Bytes{16} << 20;
constexpr Bytes kBatchTokens = 4096;

struct NamedStage {
  const char* name;
  Bytes bytes;
  const char* why;
};

std::array<NamedStage, 7> stages_of(const MemoryPlan& plan, Bytes evaluate_bytes) {
  return {{
      {"calibrating", plan.calibrate_bytes,
       "one block's weights and statistics, and one calibration shard"},
      {"equalizing", plan.equalize_bytes, "the weights that read an input and its Hessian"},
      {"allocating", plan.allocate_bytes,
       "one block's weights and the hidden states of quantize.budget.samples, for each kind of "
       "layer"},
      {"solving", plan.solve_bytes, "the largest layer's weights and Hessian"},
      {"correcting biases", plan.correct_bytes,
       "one block's weights in both models, and one calibration shard in both"},
      {"assembling", plan.assemble_bytes, "the embedding or the head"},
      {"evaluating", evaluate_bytes, "one block's weights and one batch of windows in both models"},
  }};
}

/// What the stages hold, part by part.
class StageMemory {
 public:
  StageMemory(const QuantizeJob& job, const model::ModelConfig& config,
              const std::vector<LayerUnit>& units, Bytes num_ranks, Bytes num_threads)
      : job_(job),
        config_(config),
        units_(units),
        extras_(extras_of(job)),
        num_ranks_(num_ranks),
        num_threads_(num_threads) {
    for (const auto& layer : model::linear_layers(config, 0)) {
      const Bytes bytes = sizeof(float) * layer.in_features * layer.out_features;
      block_ += bytes;
      largest_ = std::max(largest_, bytes);
    }
  }

  /// Learned ones, which stay; of the embedding only the rows of tokens at hand are read.
  Bytes positions() const {
    if (config_.positions != model::Positions::learned) return 0;
    return sizeof(float) * config_.hidden_size * (config_.max_positions + model::kPositionOffset);
  }

  /// Both models' tiles of rows and their logits, and slabs of @p num_heads heads.
  Bytes heads(Bytes num_heads) const {
    using Head = forward::EmbeddingAndHead;
    const Bytes tile = Head::kHeadTile * (config_.hidden_size + Head::kVocabularyPanel);
    const Bytes slab = std::min<Bytes>(Head::kHeadSlab, config_.vocab_size) * config_.hidden_size;
    return sizeof(float) * (2 * num_threads_ * tile + num_heads * slab);
  }

  /// A block at work on batches of sequences of @p length: its weights, which are plain one by one
  /// while they are read, what the batch is inside, and a tile for each thread.
  Bytes forward(Bytes length) const {
    const Bytes batch = std::max<Bytes>(1, kBatchTokens / length) * length;
    const Bytes per_token =
        config_.hidden_size + config_.q_size() + 2 * config_.kv_size() + config_.intermediate_size +
        (config_.num_experts > 0
             ? config_.hidden_size +
                   config_.experts_per_token * (2 * config_.hidden_size + config_.expert_size)
             : 0);
    const Bytes tiles = num_threads_ * forward::BlockForward::kTokenTile *
                        (config_.intermediate_size + 2 * config_.hidden_size);
    return block_ + largest_ + sizeof(float) * (batch * per_token + tiles);
  }

  /// Whole sums of one block's inputs (its partial), this rank's slabs, a tile's operands and the
  /// messages of a reduction.
  Bytes statistics() const {
    const Bytes squares = extras_.k_chunk > 0 ? 2 : 1;
    Bytes partial = 0, slabs = 0, widest = 0;
    for (const auto& role : roles_of_block(units_, units_.front().layer.block)) {
      const Bytes n = channels_of(config_, role);
      const Bytes rows = extras_.sample.num_rows * n;
      partial += squares * n * n * sizeof(double) + rows * sizeof(float);
      slabs += (squares * n * (n + 1) / 2 + rows) * sizeof(double);
      widest = std::max(widest, n);
    }
    const Bytes operands = 2 * sizeof(float) * linalg::kSyrkTileRows * widest;
    const Bytes copy_left = extras_.k_chunk > 0 ? sizeof(float) * kBatchTokens * widest : 0;
    const auto shards = static_cast<Bytes>(job_.calibration.num_shards);
    const Bytes messages =
        sizeof(double) * cluster::kReductionChunk * (num_ranks_ + std::min(num_ranks_, shards));
    return partial + slabs / num_ranks_ + operands + copy_left + messages;
  }

  /// Activations of one calibration shard.
  Bytes shard() const {
    const auto shards = static_cast<Bytes>(job_.calibration.num_shards);
    const auto samples = static_cast<Bytes>(job_.calibration.num_samples);
    return hidden((samples + shards - 1) / shards *
                  static_cast<Bytes>(job_.calibration.max_seq_length));
  }
  /// Of all shards that the first rank moves.
  Bytes own_shards() const {
    const auto shards = static_cast<Bytes>(job_.calibration.num_shards);
    return shard() * ((shards + num_ranks_ - 1) / num_ranks_);
  }
  Bytes hidden(Bytes tokens) const { return tokens * config_.hidden_size * sizeof(float); }

  Bytes calibrate(Bytes hidden) const {
    const auto length = static_cast<Bytes>(job_.calibration.max_seq_length);
    return kProgram + kKept + hidden + std::max(positions(), forward(length) + statistics());
  }

  Bytes equalize() const {
    if (!equalizes(job_.quantize)) return 0;
    Bytes most = 0;
    for (const auto& role : roles_of_block(units_, units_.front().layer.block)) {
      const Bytes n = channels_of(config_, role);
      Bytes weights = 0;
      for (const LayerUnit& unit : units_) {
        if (unit.layer.block != units_.front().layer.block) break;
        if (balanced_as(unit.layer.input()) != role) continue;
        weights += sizeof(float) * unit.layer.in_features * unit.layer.out_features;
      }
      // The sums, the Hessian, and in fp32 its full square; kept tokens, as they are and rounded.
      const Bytes rows = 3 * sizeof(float) * extras_.sample.num_rows * n;
      most = std::max(most, weights + n * n * (2 * sizeof(double) + sizeof(float)) + rows);
    }
    return kProgram + kKept + most;
  }

  /// Divergences are measured on some samples, for all kinds of layers of a group of blocks at
  /// once, beside the original's and those before the group; 0 where none are.
  Bytes allocate() const {
    const BudgetSettings& budget = job_.quantize.budget;
    if (!budget.is_wanted() || budget.measure != LossMeasure::divergence) return 0;
    return divergences(static_cast<Bytes>(budget.samples));
  }
  Bytes divergences(Bytes samples) const {
    std::set<std::string> kinds;
    for (const LayerUnit& unit : units_) kinds.insert(kind_of(unit.layer));
    const auto length = static_cast<Bytes>(job_.calibration.max_seq_length);
    const Bytes tokens =
        std::min(samples, static_cast<Bytes>(job_.calibration.num_samples)) * length;
    return kProgram + kKept + positions() + std::max(forward(length), heads(1)) +
           (kinds.size() + 2) * hidden(tokens);
  }

  Bytes solve() const {
    Bytes most = 0;
    for (const LayerUnit& unit : units_) {
      most = std::max(most, solve_bytes(job_, unit, extras_, num_threads_));
    }
    return kProgram + kKept + most;
  }

  /// A block of both models at work, what its layers read of a batch in both, and their outputs'
  /// errors; 0 where no bias is corrected by samples.
  Bytes correct(Bytes hidden) const {
    if (!corrects_in_order(units_)) return 0;
    const auto length = static_cast<Bytes>(job_.calibration.max_seq_length);
    const Bytes batch = std::max<Bytes>(1, kBatchTokens / length) * length;
    Bytes widest_in = 0, widest_out = 0;
    for (const auto& layer : model::linear_layers(config_, 0)) {
      widest_in = std::max<Bytes>(widest_in, layer.in_features);
      widest_out = std::max<Bytes>(widest_out, layer.out_features);
    }
    const Bytes inputs = sizeof(float) * batch * (2 * widest_in + config_.hidden_size);
    const Bytes errors = sizeof(double) * 2 * widest_out * (batch / 256 + 1) +
                         num_threads_ * 2 * sizeof(float) * 256 * widest_out;
    return kProgram + kKept + 2 * hidden +
           std::max(positions(), block_ + 3 * forward(length) + inputs + errors);
  }

  /// One tensor as it is read and as it is written; before that, where residuals are shared out, a
  /// block's decoded residuals beside its weights, and a layer's codes.
  Bytes assemble() const {
    const Bytes written =
        kProgram + kKeptWalking + 2 * sizeof(float) * config_.hidden_size * config_.vocab_size;
    if (!job_.residual.budget.is_wanted()) return written;
    return std::max(written, divergences(kResidualStudySamples) + block_ + 2 * largest_);
  }

  Bytes evaluate(Bytes hidden) const {
    const auto length = static_cast<Bytes>(job_.evaluation.context_length);
    return kProgram + kKeptWalking + 2 * positions() + std::max(forward(length), heads(2)) + hidden;
  }
  /// Of one batch of windows in both models, and of all that are the first rank's.
  Bytes batch_of_windows() const {
    return 2 * hidden(std::max(kBatchTokens, static_cast<Bytes>(job_.evaluation.context_length)));
  }
  Bytes own_windows() const {
    const auto length = static_cast<std::size_t>(job_.evaluation.context_length);
    const auto windows =
        evaluation::windows_of_rank(plan_windows(job_).count, length, 0, num_ranks_);
    return 2 * hidden(windows.size() * length);
  }

 private:
  const QuantizeJob& job_;
  const model::ModelConfig& config_;
  const std::vector<LayerUnit>& units_;
  const calibration::StatisticsExtras extras_;
  const Bytes num_ranks_, num_threads_;
  Bytes block_ = 0, largest_ = 0;  ///< weights of a block, and of its largest layer, in fp32
};

}  // namespace

std::uint64_t MemoryPlan::peak_bytes() const {
  return std::ranges::max(stages_of(*this, evaluate_bytes), {}, &NamedStage::bytes).bytes;
}

std::string MemoryPlan::costliest_stage() const {
  return std::ranges::max(stages_of(*this, evaluate_bytes), {}, &NamedStage::bytes).name;
}

MemoryPlan reckon_memory(const QuantizeJob& job, const model::ModelConfig& config,
                         const std::vector<LayerUnit>& units, std::size_t num_ranks,
                         std::size_t num_threads) {
  const Bytes bound = job.runtime.host_memory;
  const StageMemory memory(job, config, units, num_ranks, num_threads);
  const Bytes own_shards = memory.own_shards();
  MemoryPlan plan;
  plan.hidden_in_memory = bound == 0 || memory.calibrate(own_shards) <= bound;
  plan.calibrate_bytes = memory.calibrate(plan.hidden_in_memory ? own_shards : memory.shard());
  plan.equalize_bytes = memory.equalize();
  plan.allocate_bytes = memory.allocate();
  plan.solve_bytes = memory.solve();
  plan.corrected_in_memory = bound == 0 || memory.correct(own_shards) <= bound;
  plan.correct_bytes = memory.correct(plan.corrected_in_memory ? own_shards : memory.shard());
  plan.assemble_bytes = memory.assemble();
  if (!job.evaluation.is_wanted()) return plan;
  const Bytes least = memory.batch_of_windows(), fixed = memory.evaluate(0);
  plan.least_evaluate_bytes = fixed + least;
  if (bound > 0) plan.max_hidden_bytes = std::max(least, bound > fixed ? bound - fixed : 0);
  const Bytes wanted = std::max(least, memory.own_windows());
  plan.evaluate_bytes = fixed + (bound > 0 ? std::min(wanted, plan.max_hidden_bytes) : wanted);
  return plan;
}

std::vector<std::string> memory_problems(const MemoryPlan& plan, std::uint64_t bound) {
  std::vector<std::string> problems;
  for (const NamedStage& stage : stages_of(plan, plan.least_evaluate_bytes)) {
    if (bound == 0 || stage.bytes <= bound) continue;
    problems.push_back(
        fmt::format("runtime.host_memory is {} ({} takes {} at least: {}). Allow more, or start "
                    "fewer processes a node.",
                    bytes_text(static_cast<double>(bound)), stage.name,
                    bytes_text(static_cast<double>(stage.bytes)), stage.why));
  }
  return problems;
}

MemoryPlan plan_memory(const QuantizeJob& job, const model::ModelConfig& config,
                       const std::vector<LayerUnit>& units, std::size_t num_ranks,
                       std::size_t num_threads) {
  const MemoryPlan plan = reckon_memory(job, config, units, num_ranks, num_threads);
  const auto problems = memory_problems(plan, job.runtime.host_memory);
  require_input(problems.empty(), problems.empty() ? "" : problems.front());
  return plan;
}

}  // namespace tessera::jobs
