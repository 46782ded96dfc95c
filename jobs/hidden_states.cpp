#include "jobs/hidden_states.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/tokens.hpp"
#include "core/error.hpp"
#include "forward/embedding.hpp"
#include "jobs/statistics_listener.hpp"
#include "model/tensor_source.hpp"

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

/// The samples of a batch whose states are finite, in runs of neighbours.
std::vector<Tile> finite_runs(const Matrix<float>& hidden, Tile batch, std::size_t length) {
  std::vector<Tile> runs;
  bool goes_on = false;
  for (std::size_t s = batch.begin; s < batch.end; ++s) {
    const std::size_t count = length * hidden.cols();
    const bool is_finite =
        model::first_not_finite(hidden.span().subspan(s * count, count)) == count;
    if (is_finite && goes_on) runs.back().end = s + 1;
    if (is_finite && !goes_on) runs.push_back({s, s + 1});
    goes_on = is_finite;
  }
  return runs;
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
  const forward::EmbeddingAndHead ends(prepared_.config, *prepared_.weights,
                                       forward::Kept::in_source);
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
    for (const Tile run : finite_runs(hidden, batch, length_)) {
      move({samples.begin + run.begin, samples.begin + run.end},
           hidden.view().middle_rows(run.begin * length_, run.size() * length_), weights, block,
           partial);
    }
  }
  if (!is_kept_in_memory_) {
    work_.commit(hidden_file(block, shard, shards_.size()), "hidden", StoredStates{std::move(hidden)});
    states_.clear();
  }
}

void HiddenStates::move(Tile samples, MatrixView<float> hidden,
                        const forward::BlockWeights& weights, std::size_t block,
                        BlockStatistics* partial) {
  const forward::BatchShape shape{samples.size(), length_};
  if (partial == nullptr) return forward_.run(run_.threads, weights, shape, hidden, nullptr);
  StatisticsListener listener(run_.threads, *partial, block, samples.begin, length_);
  const std::size_t num_noted = partial->not_finite.size();
  forward_.run(run_.threads, weights, shape, hidden, &listener);
  if (partial->not_finite.size() > num_noted) return;  // an input was so before
  for (std::size_t row = 0; row < hidden.rows; ++row) {
    const std::size_t channel = model::first_not_finite(hidden.row_span(row));
    if (channel == hidden.cols) continue;
    const bool has_mixture = prepared_.config.num_experts > 0;
    note_not_finite(*partial,
                    {has_mixture ? model::InputRole::mlp_input : model::InputRole::mlp_hidden, {}},
                    fmt::format("the output of block {} is {} at channel {} for token {} of "
                                "calibration sample {}",
                                block, hidden(row, channel), channel, row % length_,
                                samples.begin + row / length_));
    return;
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
