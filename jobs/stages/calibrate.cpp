#include "jobs/stages/calibrate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "calibration/calibration_shards.hpp"
#include "core/error.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "jobs/work_files.hpp"

namespace tessera::jobs {
namespace {

/// Tokens pushed through a block at a time. Part of the result: sums are added up batch by batch.
constexpr std::size_t kBatchTokens = 4096;

BlockStatistics empty_statistics(const model::ModelConfig& config,
                                 const std::vector<model::InputRole>& roles) {
  BlockStatistics statistics;
  for (const auto role : roles) {
    for (const auto& layer : model::linear_layers(config, 0)) {
      if (layer.input() != role) continue;
      statistics.of_role.insert_or_assign(role, calibration::InputStatistics(layer.in_features));
    }
  }
  return statistics;
}

/// Adds what a batch's linear layers see to a partial.
class StatisticsListener final : public forward::InputListener {
 public:
  StatisticsListener(Threads& threads, BlockStatistics& partial, std::size_t block,
                     std::size_t first_sample, std::size_t length)
      : threads_(threads),
        partial_(partial),
        block_(block),
        first_sample_(first_sample),
        length_(length) {}

  void on_input(model::InputRole role, MatrixView<const float> x) override {
    const auto found = partial_.of_role.find(role);
    if (found == partial_.of_role.end()) return;
    try {
      found->second.add(threads_, x);
    } catch (const InputError&) {
      throw_with_place(role, x);
      throw;
    }
  }

 private:
  void throw_with_place(model::InputRole role, MatrixView<const float> x) const {
    for (std::size_t row = 0; row < x.rows; ++row) {
      for (std::size_t channel = 0; channel < x.cols; ++channel) {
        if (std::isfinite(x(row, channel))) continue;
        throw InputError(fmt::format(
            "the {} of block {} is {} at channel {} for token {} of calibration sample {} (a "
            "healthy model has finite activations). Check the model's weights, or leave out the "
            "sample.",
            model::name_of(role), block_, x(row, channel), channel, row % length_,
            first_sample_ + row / length_));
      }
    }
  }

  Threads& threads_;
  BlockStatistics& partial_;
  std::size_t block_;
  std::size_t first_sample_;
  std::size_t length_;
};

/// The hidden states of all samples, and the one way to move them through a block.
class HiddenStates {
 public:
  HiddenStates(RunContext& run, const PreparedRun& prepared)
      : run_(run),
        length_(prepared.sample_length()),
        num_samples_(prepared.num_samples()),
        forward_(prepared.config, length_),
        hidden_(num_samples_ * length_, prepared.config.hidden_size) {
    const forward::EmbeddingAndHead ends(prepared.config, *prepared.weights);
    for (std::size_t i = 0; i < num_samples_; ++i) {
      ends.embed(calibration::sample(prepared.calibration_tokens, i, length_),
                 hidden_.view().middle_rows(i * length_, length_));
    }
  }

  /// Moves the samples of @p shard through block @p block, adding to @p partial unless it is null.
  void advance(Tile shard, const forward::BlockWeights& weights, std::size_t block,
               BlockStatistics* partial) {
    const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / length_);
    for (std::size_t i = 0; i < num_tiles(shard.size(), per_batch); ++i) {
      const Tile batch = tile_at(i, per_batch, shard.size());
      const std::size_t first = shard.begin + batch.begin;
      const forward::BatchShape shape{batch.size(), length_};
      const auto rows = hidden_.view().middle_rows(first * length_, shape.num_tokens());
      if (partial == nullptr) {
        forward_.run(run_.threads, weights, shape, rows, nullptr);
      } else {
        StatisticsListener listener(run_.threads, *partial, block, first, length_);
        forward_.run(run_.threads, weights, shape, rows, &listener);
      }
    }
  }

 private:
  RunContext& run_;
  std::size_t length_;
  std::size_t num_samples_;
  forward::BlockForward forward_;
  Matrix<float> hidden_;
};

/// Blocks that must be walked through: up to the last whose statistics are wanted and not
/// committed.
std::size_t blocks_to_walk(const PreparedRun& prepared, WorkFolder& work) {
  std::size_t walk = 0;
  for (const std::size_t block : blocks_of(prepared.units)) {
    if (!work.is_committed(statistics_file(block))) walk = block + 1;
  }
  return walk;
}

BlockStatistics calibrate_block(HiddenStates& hidden, const std::vector<Tile>& shards,
                                const PreparedRun& prepared, const forward::BlockWeights& weights,
                                std::size_t block) {
  const auto roles = roles_of_block(prepared.units, block);
  BlockStatistics sum = empty_statistics(prepared.config, roles);
  for (const Tile shard : shards) {
    BlockStatistics partial = empty_statistics(prepared.config, roles);
    hidden.advance(shard, weights, block, &partial);
    for (auto& [role, statistics] : sum.of_role) statistics.merge(partial.of_role.at(role));
  }
  return sum;
}

}  // namespace

void calibrate(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  const std::size_t walk = blocks_to_walk(prepared, work);
  if (walk == 0) return;
  const auto shards = calibration::cut_into_shards(
      prepared.num_samples(), static_cast<std::size_t>(prepared.job.calibration.num_shards));
  HiddenStates hidden(run, prepared);
  for (std::size_t block = 0; block < walk; ++block) {
    const std::string file = statistics_file(block);
    const double share = static_cast<double>(block) / static_cast<double>(walk);
    run.log.progress({"calibrate", "blocks", block, walk, share, ""});
    const auto weights = forward::load_block(prepared.config, *prepared.weights, block);
    const bool is_wanted = !roles_of_block(prepared.units, block).empty();
    if (is_wanted && !work.is_committed(file)) {
      work.commit(file, "statistics", calibrate_block(hidden, shards, prepared, weights, block));
    } else {
      for (const Tile shard : shards) hidden.advance(shard, weights, block, nullptr);
    }
  }
  run.log.progress({"calibrate", "blocks", walk, walk, 1.0, ""});
}

}  // namespace tessera::jobs
