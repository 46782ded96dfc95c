#include "jobs/hidden_states.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/tokens.hpp"
#include "core/error.hpp"
#include "forward/embedding.hpp"
#include "jobs/statistics_listener.hpp"

namespace tessera::jobs {
namespace {

/// Tokens pushed through a block at a time. Part of the result: sums are added up batch by batch.
constexpr std::size_t kBatchTokens = 4096;

/// A shard's activations as a work file holds them.
struct StoredStates {
  Matrix<float> hidden;  ///< (tokens of the shard, hidden_size), after the block of the file's name
};

template <class Archive>
void archive(Archive& a, StoredStates& s) {
  a("hidden", s.hidden);
}

}  // namespace

HiddenStates::HiddenStates(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                           std::vector<Tile> shards, std::vector<std::size_t> mine,
                           std::size_t first_block)
    : run_(run),
      prepared_(prepared),
      work_(work),
      shards_(std::move(shards)),
      mine_(std::move(mine)),
      is_kept_in_memory_(prepared.memory.hidden_in_memory),
      length_(prepared.sample_length()),
      forward_(prepared.config, length_) {
  if (!is_kept_in_memory_) return;
  for (const std::size_t s : mine_) {
    states_[s] = first_block == 0 ? embed(shards_[s]) : load(first_block - 1, s);
  }
}

Matrix<float> HiddenStates::embed(Tile samples) const {
  const forward::EmbeddingAndHead ends(prepared_.config, *prepared_.weights);
  Matrix<float> hidden(samples.size() * length_, prepared_.config.hidden_size);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    ends.embed(calibration::sample(prepared_.calibration_tokens, samples.begin + i, length_),
               length_, hidden.view().middle_rows(i * length_, length_));
  }
  return hidden;
}

Matrix<float> HiddenStates::load(std::size_t block, std::size_t shard) const {
  StoredStates stored;
  const std::string name = hidden_file(block, shard, shards_.size());
  work_.load(name, "hidden", stored);
  const std::size_t rows = shards_[shard].size() * length_;
  require(stored.hidden.rows() == rows && stored.hidden.cols() == prepared_.config.hidden_size,
          "a committed state has the shape of its shard");
  return std::move(stored.hidden);
}

void HiddenStates::fetch(std::size_t shard, std::size_t block) {
  if (is_kept_in_memory_) return;
  states_.clear();
  states_[shard] = block == 0 ? embed(shards_.at(shard)) : load(block - 1, shard);
}

void HiddenStates::advance(std::size_t shard, const forward::BlockWeights& weights,
                           std::size_t block, BlockStatistics* partial) {
  const Tile samples = shards_.at(shard);
  Matrix<float>& hidden = states_.at(shard);
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / length_);
  for (std::size_t i = 0; i < num_tiles(samples.size(), per_batch); ++i) {
    const Tile batch = tile_at(i, per_batch, samples.size());
    const forward::BatchShape shape{batch.size(), length_};
    const auto rows = hidden.view().middle_rows(batch.begin * length_, shape.num_tokens());
    if (partial == nullptr) {
      forward_.run(run_.threads, weights, shape, rows, nullptr);
    } else {
      StatisticsListener listener(run_.threads, *partial, block, samples.begin + batch.begin,
                                  length_);
      forward_.run(run_.threads, weights, shape, rows, &listener);
    }
  }
  if (!is_kept_in_memory_) {
    work_.commit(hidden_file(block, shard, shards_.size()), "hidden", StoredStates{std::move(hidden)});
    states_.clear();
  }
}

void HiddenStates::commit(std::size_t block) {
  if (!is_kept_in_memory_) return;  // advance() has
  for (const std::size_t s : mine_) {
    StoredStates stored{std::move(states_.at(s))};
    work_.commit(hidden_file(block, s, shards_.size()), "hidden", stored);
    states_[s] = std::move(stored.hidden);
  }
}

void HiddenStates::drop(std::size_t block) {
  for (const std::size_t s : mine_) work_.drop(hidden_file(block, s, shards_.size()));
}

}  // namespace tessera::jobs
