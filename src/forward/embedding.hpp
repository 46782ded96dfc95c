#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/norm.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

/// Token embeddings, learned positions, the final norm and the output head: what stands before and
/// after the blocks.
class EmbeddingAndHead {
 public:
  /// Reads them from @p source; the head is the embedding where they are tied. Throws InputError
  /// for a missing, misshaped or non-finite tensor.
  EmbeddingAndHead(const model::ModelConfig& config, const model::TensorSource& source);

  /// Sequences of @p length tokens, one after another, as hidden (tokens.size(), hidden_size).
  /// Throws InputError for a token outside the vocabulary and for sequences longer than the model's
  /// learned positions.
  /// @param start position of each sequence's first token
  /// @pre tokens.size() is a multiple of length
  void embed(std::span<const std::uint32_t> tokens, std::size_t length, MatrixView<float> hidden,
             std::size_t start = 0) const;

  /// logits (hidden.rows, vocab_size) of @p hidden as it leaves the last block: the final norm is
  /// applied here. Sequential: callers tile.
  void logits(MatrixView<const float> hidden, MatrixView<float> out) const;
  /// The same, panels of kVocabularyPanel tokens shared out over the threads; for few rows.
  void logits(Threads& threads, MatrixView<const float> hidden, MatrixView<float> out) const;

  /// @p hidden as it leaves the last block, after the final norm.
  Matrix<float> normed(MatrixView<const float> hidden) const;
  /// The logits of the tokens @p words only, (normed.rows, words.size()). Sequential.
  void panel_logits(MatrixView<const float> normed, Tile words, MatrixView<float> out) const;
  std::size_t vocab_size() const { return config_.vocab_size; }
  /// Throws InputError for a token outside the vocabulary.
  void check_tokens(std::span<const std::uint32_t> tokens) const;

  /// Negative log-likelihood of @p targets, one per row of @p hidden (as it leaves the last block),
  /// in nats: fp32 logits and exponentials, summed in fp64. Tiles of kHeadTile rows share out over
  /// the threads, each takes the vocabulary in panels: the logits are never all in memory. Throws
  /// InputError for a target outside the vocabulary.
  std::vector<double> negative_log_likelihood(Threads& threads, MatrixView<const float> hidden,
                                              std::span<const std::uint32_t> targets) const;
  static constexpr std::size_t kHeadTile = 256;
  /// Tokens whose logits of one tile are in cache at a time.
  static constexpr std::size_t kVocabularyPanel = 512;

 private:
  const Matrix<float>& head() const { return config_.tied_embeddings ? embedding_ : head_; }
  void score_tile(MatrixView<const float> hidden, std::span<const std::uint32_t> targets,
                  std::span<double> losses) const;

  model::ModelConfig config_;
  Matrix<float> embedding_;  // (vocab_size, hidden_size)
  Matrix<float> positions_;  // (max_positions + kPositionOffset, hidden_size); empty when rotary
  Matrix<float> head_;       // empty when tied
  NormWeights final_norm_;
};

}  // namespace tessera::forward
