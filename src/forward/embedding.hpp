#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

/// Token embeddings, the final norm and the output head: what stands before and after the blocks.
class EmbeddingAndHead {
 public:
  /// Reads them from @p source; the head is the embedding where they are tied.
  EmbeddingAndHead(const model::ModelConfig& config, const model::TensorSource& source);

  /// hidden (tokens.size(), hidden_size). Throws InputError for a token outside the vocabulary.
  void embed(std::span<const std::uint32_t> tokens, MatrixView<float> hidden) const;

  /// logits (hidden.rows, vocab_size) of already computed last hidden states. Sequential: callers tile.
  void logits(MatrixView<const float> hidden, MatrixView<float> out) const;

  /// Negative log-likelihood of @p targets, one per row of @p hidden, in nats, each computed in fp64 from fp32 logits.
  /// Tiles of kHeadTile rows share out over the threads; the logits are never all in memory.
  std::vector<double> negative_log_likelihood(Threads& threads, MatrixView<const float> hidden,
                                              std::span<const std::uint32_t> targets) const;
  static constexpr std::size_t kHeadTile = 64;

 private:
  model::ModelConfig config_;
  Matrix<float> embedding_;  // (vocab_size, hidden_size)
  Matrix<float> head_;       // empty when tied
  std::vector<float> final_norm_;
};

}  // namespace tessera::forward
