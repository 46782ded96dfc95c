#pragma once
#include <cstdint>
#include <span>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "evaluation/perplexity.hpp"
#include "forward/embedding.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::evaluation {

/// How far a changed model's predictions are from the original's, on some sequences: the
/// Kullback-Leibler divergence of its next-token distributions from the original's, in nats, the
/// mean over all positions. Unlike a difference of losses it has no noise of the text's own: few
/// tokens tell small changes apart.
///
/// Hidden states are walked by the caller, (tokens, hidden_size), so that models that share their
/// first blocks share the way through them.
class OriginalPredictions {
 public:
  /// Walks @p tokens, whole sequences of @p length, through the original.
  /// @pre original outlives this
  OriginalPredictions(Threads& threads, const model::ModelConfig& config,
                      const model::TensorSource& original, std::span<const std::uint32_t> tokens,
                      std::size_t length);

  /// The hidden states before the first block.
  Matrix<float> embedded(std::span<const std::uint32_t> tokens) const;

  /// Pushes @p hidden, some copies of the sequences one below the other, through the blocks
  /// [begin, end) of @p scored, compensated where it is.
  void walk(Threads& threads, const ScoredModel& scored, Tile blocks,
            MatrixView<float> hidden) const;

  /// Of the model that left @p hidden behind its last block. @pre one copy of the sequences
  double divergence_of(Threads& threads, MatrixView<const float> hidden) const;

  std::size_t num_tokens() const { return original_.rows(); }

 private:
  model::ModelConfig config_;
  std::size_t length_;
  forward::EmbeddingAndHead ends_;
  Matrix<float> original_;  ///< (tokens, hidden_size), behind the last block
};

}  // namespace tessera::evaluation
