#include "jobs/hidden_states.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "calibration/tokens.hpp"
#include "core/error.hpp"
#include "forward/embedding.hpp"
#include "jobs/not_finite.hpp"
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

}  // namespace

std::vector<std::size_t> shards_of_rank(std::size_t num_shards, std::size_t rank,
                                        std::size_t num_ranks) {
  std::vector<std::size_t> own;
  for (std::size_t s = rank; s < num_shards; s += num_ranks) own.push_back(s);
  return own;
}

Tile blocks_to_walk(const std::vector<std::size_t>& wanted,
                    const std::function<bool(std::size_t)>& is_made,
                    const std::function<bool(std::size_t)>& has_states) {
  Tile walk;
  bool is_complete = true;
  for (const std::size_t block : wanted) {
    if (is_made(block)) continue;
    if (is_complete) walk.begin = block;
    is_complete = false;
    walk.end = block + 1;
  }
  while (walk.begin > 0 && !has_states(walk.begin - 1)) --walk.begin;
  return walk;
}

std::vector<Tile> finite_batches(const std::vector<const Matrix<float>*>& states,
                                 std::size_t length) {
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / length);
  const auto is_finite = [&](std::size_t sample) {
    return std::ranges::all_of(states, [&](const Matrix<float>* hidden) {
      const std::size_t count = length * hidden->cols();
      return model::first_not_finite(hidden->span().subspan(sample * count, count)) == count;
    });
  };
  std::vector<Tile> batches;
  bool goes_on = false;
  for (std::size_t s = 0; s < states.front()->rows() / length; ++s) {
    if (s % per_batch == 0) goes_on = false;
    const bool counts = is_finite(s);
    if (counts && goes_on) batches.back().end = s + 1;
    if (counts && !goes_on) batches.push_back({s, s + 1});
    goes_on = counts;
  }
  return batches;
}

HiddenStates::HiddenStates(RunContext& run, const PreparedRun& prepared, WorkFolder& work,
                           std::vector<Tile> shards, std::vector<std::size_t> mine,
                           std::size_t first_block, HiddenPlace place)
    : run_(run),
      prepared_(prepared),
      work_(work),
      shards_(std::move(shards)),
      mine_(std::move(mine)),
      place_(std::move(place)),
      length_(prepared.sample_length()),
      forward_(prepared.config, length_) {
  if (!place_.in_memory) return;
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

std::string HiddenStates::file(std::size_t block, std::size_t shard) const {
  return hidden_file(block, shard, shards_.size(), place_.folder);
}

Matrix<float> HiddenStates::load(std::size_t block, std::size_t shard) const {
  StoredStates stored;
  work_.load(file(block, shard), "hidden", stored);
  const std::size_t rows = shards_[shard].size() * length_;
  require(stored.hidden.rows() == rows && stored.hidden.cols() == prepared_.config.hidden_size,
          "a committed state has the shape of its shard");
  return std::move(stored.hidden);
}

/// Brings the shard to where @p block takes it up.
void HiddenStates::fetch(std::size_t shard, std::size_t block) {
  if (place_.in_memory) return;
  states_.clear();
  states_[shard] = block == 0 ? embed(shards_.at(shard)) : load(block - 1, shard);
}

void HiddenStates::advance(std::size_t shard, const forward::BlockWeights& weights,
                           std::size_t block) {
  fetch(shard, block);
  move_shard(shard, weights, block, nullptr);
}

BlockStatistics HiddenStates::advance_and_collect(std::size_t shard,
                                                  const forward::BlockWeights& weights,
                                                  std::size_t block) {
  fetch(shard, block);  // before the statistics come: embedding takes the embeddings' memory
  BlockStatistics partial =
      empty_statistics(prepared_.config, roles_of_block(prepared_.units, block), prepared_.extras);
  move_shard(shard, weights, block, &partial);
  commit_not_finite(work_, run_.log, block, shard, shards_.size(), partial);
  return partial;
}

void HiddenStates::move_shard(std::size_t shard, const forward::BlockWeights& weights,
                              std::size_t block, BlockStatistics* partial) {
  const Tile samples = shards_.at(shard);
  Matrix<float>& hidden = states_.at(shard);
  for (const Tile batch : finite_batches({&hidden}, length_)) {
    move({samples.begin + batch.begin, samples.begin + batch.end},
         hidden.view().middle_rows(batch.begin * length_, batch.size() * length_), weights, block,
         partial);
  }
  if (!place_.in_memory) {
    work_.commit(file(block, shard), "hidden", StoredStates{std::move(hidden)});
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
  if (!place_.in_memory) return;  // advance() has
  for (const std::size_t s : mine_) {
    StoredStates stored{std::move(states_.at(s))};
    work_.commit(file(block, s), "hidden", stored);
    states_[s] = std::move(stored.hidden);
  }
}

void HiddenStates::drop(std::size_t block) {
  for (const std::size_t s : mine_) work_.drop(file(block, s));
}

}  // namespace tessera::jobs
