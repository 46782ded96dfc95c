#include "evaluation/original_predictions.hpp"

#include <vector>

#include "evaluation/window_walk.hpp"
#include "forward/token_scores.hpp"

namespace tessera::evaluation {

OriginalPredictions::OriginalPredictions(Threads& threads, const model::ModelConfig& config,
                                         const model::TensorSource& original,
                                         std::span<const std::uint32_t> tokens, std::size_t length)
    : config_(config),
      length_(length),
      ends_(config, original, forward::Kept::in_source),
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
  push_through_blocks(threads, scored, blocks, length_, hidden);
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
