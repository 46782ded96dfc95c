#include "jobs/memory_plan.hpp"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "forward/block.hpp"
#include "jobs/depth_groups.hpp"

namespace tessera::jobs {
namespace {

using Bytes = std::uint64_t;

/// The program itself, its libraries, tokens, plans, message buffers.
constexpr Bytes kProgram = Bytes{100} << 20;
constexpr Bytes kBatchTokens = 4096;

struct Sizes {
  Bytes weights = 0;        ///< one block's, as they are multiplied, and a layer as it is read
  Bytes intermediates = 0;  ///< of a batch inside a block
  Bytes scratch = 0;        ///< of each thread inside a block
  Bytes partial = 0;        ///< statistics of one block, whole Hessians
  Bytes ends = 0;           ///< embedding and head, and one of them in another form
  Bytes both_ends = 0;      ///< those of the original and of the packed model
  Bytes solve = 0;          ///< the costliest layer's solve
};

/// While a Hessian is factored: itself (fp64), its factor's triangle (fp64) and the inverse of that
/// (fp32), or with integers then the square (fp32); the weights, their tiles and what is rounded of
/// them (fp32). While codebooks are found: the Hessian, one square in fp32, and the vectors that are
/// clustered twice.
Bytes solve_bytes(const model::LinearLayer& layer) {
  const Bytes n = layer.in_features, m = layer.out_features;
  const Bytes square = n * n * sizeof(float), weights = m * n * sizeof(float);
  return std::max(4 * square + 4 * weights, 3 * square + 8 * weights);
}

/// With residuals also what compensation leaves and what is minimized; the residual's codes and its
/// decoded form; the kept tokens, and those that each way of choosing keeps.
Bytes residual_bytes(const model::LinearLayer& layer, const calibration::StatisticsExtras& extras) {
  constexpr Bytes kWaysOfChoosing = 12;
  const Bytes n = layer.in_features, m = layer.out_features;
  const Bytes hessians = extras.k_chunk > 0 ? 3 * n * n * sizeof(double) : 0;
  return hessians + m * n * (1 + sizeof(float)) +
         (kWaysOfChoosing + 2) * extras.sample.num_rows * n * sizeof(float);
}

Sizes sizes_of(const QuantizeJob& job, const model::ModelConfig& config,
               const std::vector<LayerUnit>& units) {
  Sizes sizes;
  const calibration::StatisticsExtras extras = extras_of(job);
  Bytes largest = 0;
  for (const auto& layer : model::linear_layers(config, 0)) {
    const Bytes bytes = sizeof(float) * layer.in_features * layer.out_features;
    sizes.weights += bytes;
    largest = std::max(largest, bytes);
  }
  sizes.weights += 2 * largest;
  const Bytes length =
      static_cast<Bytes>(std::max(job.calibration.max_seq_length,
                                  job.evaluation.is_wanted() ? job.evaluation.context_length : 1));
  const Bytes tokens = std::max(kBatchTokens, length);
  sizes.intermediates = sizeof(float) * tokens *
                        (2 * config.hidden_size + config.q_size() + 2 * config.kv_size() +
                         2 * config.intermediate_size +
                         config.experts_per_token * (2 * config.hidden_size + config.expert_size));
  sizes.scratch = (Bytes{8} << 20) + sizeof(float) * forward::BlockForward::kTokenTile *
                                         (2 * config.intermediate_size + config.hidden_size);
  for (const auto& role : roles_of_block(units, units.front().layer.block)) {
    const Bytes n = channels_of(config, role);
    const Bytes triangles = extras.k_chunk > 0 ? 2 : 1;
    sizes.partial += triangles * n * n * sizeof(double) + extras.sample.num_rows * n * sizeof(float);
  }
  const bool has_positions = config.positions == model::Positions::learned;
  const Bytes rows = config.vocab_size + (has_positions ? config.max_positions : 0);
  const Bytes table = sizeof(float) * config.hidden_size * rows;
  const Bytes tables = config.tied_embeddings ? 1 : 2;
  sizes.ends = table * (tables + 1);  // one as it is read
  sizes.both_ends = table * (2 * tables + 1);
  for (const LayerUnit& unit : units) {
    const Bytes residual = job.residual.is_wanted() ? residual_bytes(unit.layer, extras) : 0;
    sizes.solve = std::max(sizes.solve, solve_bytes(unit.layer) + residual);
  }
  return sizes;
}

/// Divergences are measured on some samples, for all kinds of layers of a group of blocks at once,
/// beside the original's and those before the group; 0 where none are.
Bytes allocate_bytes(const QuantizeJob& job, const model::ModelConfig& config,
                     const std::vector<LayerUnit>& units, const Sizes& sizes) {
  const BudgetSettings& budget = job.quantize.budget;
  if (!budget.is_wanted() || budget.measure != LossMeasure::divergence) return 0;
  std::set<std::string> kinds;
  for (const LayerUnit& unit : units) kinds.insert(kind_of(unit.layer));
  const auto tokens = static_cast<Bytes>(std::min(budget.samples, job.calibration.num_samples)) *
                      static_cast<Bytes>(job.calibration.max_seq_length);
  return kProgram + sizes.ends + sizes.weights + sizes.intermediates +
         (kinds.size() + 2) * tokens * config.hidden_size * sizeof(float);
}

void require_bound(const MemoryPlan& plan, Bytes allocate, Bytes bound) {
  struct Stage {
    const char* name;
    Bytes bytes;
    const char* why;
  };
  for (const Stage& stage : {
           Stage{"calibrating", plan.calibrate_bytes,
                 "one block's weights and statistics, and one calibration shard"},
           Stage{"allocating", allocate, "one block's weights and the hidden states of "
                                         "quantize.budget.samples, for each kind of layer"},
           Stage{"solving", plan.solve_bytes, "the largest layer's weights and Hessian"},
           Stage{"assembling", plan.assemble_bytes, "the embedding and the head"},
           Stage{"evaluating", plan.evaluate_bytes,
                 "both models' embeddings, one block and one batch"},
       }) {
    if (stage.bytes <= bound) continue;
    throw InputError(
        fmt::format("runtime.host_memory is {} ({} takes {} at least: {}). Allow more, or start "
                    "fewer processes a node.",
                    bytes_text(static_cast<double>(bound)), stage.name,
                    bytes_text(static_cast<double>(stage.bytes)), stage.why));
  }
}

}  // namespace

MemoryPlan plan_memory(const QuantizeJob& job, const model::ModelConfig& config,
                       const std::vector<LayerUnit>& units, std::size_t num_ranks,
                       std::size_t num_threads) {
  const Bytes bound = job.runtime.host_memory;
  const Sizes sizes = sizes_of(job, config, units);
  const auto hidden_bytes = [&](Bytes tokens) {
    return tokens * config.hidden_size * sizeof(float);
  };

  const auto num_shards = static_cast<Bytes>(job.calibration.num_shards);
  const auto length = static_cast<Bytes>(job.calibration.max_seq_length);
  const Bytes samples_a_shard =
      (static_cast<Bytes>(job.calibration.num_samples) + num_shards - 1) / num_shards;
  const Bytes one_shard = hidden_bytes(samples_a_shard * length);
  const Bytes own_shards = one_shard * ((num_shards + num_ranks - 1) / num_ranks);
  // This rank's slabs of the sum, the triangles alone, and messages.
  constexpr Bytes kSlab = Bytes{128} << 20, kMessage = Bytes{1} << 20;
  const Bytes triangles = sizes.partial / 2;
  const Bytes sums =
      std::min(triangles, triangles / num_ranks + kSlab) + 2 * num_ranks * kMessage;
  // Tokens are embedded before the partial is there.
  const Bytes calibrate =
      kProgram + sizes.weights + sums + num_threads * sizes.scratch +
      std::max(sizes.ends * 2 / 3, sizes.intermediates + sizes.partial);

  MemoryPlan plan;
  plan.hidden_in_memory = bound == 0 || calibrate + own_shards <= bound;
  plan.calibrate_bytes = calibrate + (plan.hidden_in_memory ? own_shards : one_shard);
  plan.solve_bytes = kProgram + sizes.solve;
  plan.assemble_bytes = kProgram + sizes.ends;
  const Bytes evaluate = kProgram + sizes.both_ends + sizes.weights + sizes.intermediates +
                         num_threads * sizes.scratch;
  const auto context = static_cast<Bytes>(job.evaluation.context_length);
  const Bytes least_hidden = 2 * hidden_bytes(std::max(kBatchTokens, context));  // both models'
  plan.evaluate_bytes = job.evaluation.is_wanted() ? evaluate + least_hidden : 0;
  if (bound == 0) return plan;
  plan.max_hidden_bytes = std::max(least_hidden, bound > evaluate ? bound - evaluate : 0);
  require_bound(plan, allocate_bytes(job, config, units, sizes), bound);
  return plan;
}

}  // namespace tessera::jobs
