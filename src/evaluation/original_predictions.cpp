#include "evaluation/original_predictions.hpp"

#include <algorithm>
#include <vector>

#include "evaluation/window_walk.hpp"
#include "forward/token_scores.hpp"

namespace tessera::evaluation {
namespace {

/// Tokens pushed through a block at a time: bounds its intermediate values, changes no result.
constexpr std::size_t kBatchTokens = 4096;

}  // namespace

OriginalPredictions::OriginalPredictions(Threads& threads, const model::ModelConfig& config,
                                         const model::TensorSource& original,
                                         std::span<const std::uint32_t> tokens, std::size_t length)
    : config_(config),
      length_(length),
      ends_(config, original),
      forward_(config, length),
      original_(embedded(tokens)) {
  walk(threads, {config_, original, "original"}, {0, config.num_blocks}, original_);
}

Matrix<float> OriginalPredictions::embedded(std::span<const std::uint32_t> tokens) const {
  Matrix<float> hidden(tokens.size(), config_.hidden_size);
  ends_.embed(tokens, length_, hidden);
  return hidden;
}

void OriginalPredictions::walk(Threads& threads, const ScoredModel& scored, Tile blocks,
                               MatrixView<float> hidden) const {
  const std::size_t num_sequences = hidden.rows / length_;
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / length_);
  for (std::size_t block = blocks.begin; block < blocks.end; ++block) {
    const forward::BlockWeights loaded = load_block(scored, block);
    for (std::size_t i = 0; i < num_tiles(num_sequences, per_batch); ++i) {
      const Tile batch = tile_at(i, per_batch, num_sequences);
      const forward::BatchShape shape{batch.size(), length_};
      forward_.run(threads, loaded, shape,
                   hidden.middle_rows(batch.begin * length_, shape.num_tokens()), nullptr);
    }
  }
}

double OriginalPredictions::divergence_of(Threads& threads, MatrixView<const float> hidden) const {
  const std::vector<std::uint32_t> any_target(hidden.rows);  // losses are not asked for
  double sum = 0;
  for (const auto& token :
       forward::score_tokens(threads, {ends_, original_}, {ends_, hidden}, any_target)) {
    sum += token.divergence;
  }
  return sum / static_cast<double>(hidden.rows);
}

}  // namespace tessera::evaluation
