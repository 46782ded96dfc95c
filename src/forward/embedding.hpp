#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"
#include "forward/log_sum_exp.hpp"
#include "forward/norm.hpp"
#include "model/model_config.hpp"
#include "model/tensor_source.hpp"

namespace tessera::forward {

/// Where the embeddings and the head are between their uses. Changes no bit.
enum class Kept {
  in_memory,
  in_source,  ///< read each time: the rows of the tokens at hand, the head slab by slab
};

/// Rows of the output head, those of the tokens @p words.
struct HeadSlab {
  Tile words;
  MatrixView<const float> rows;  ///< (words.size(), hidden_size)
  Matrix<float> own;             ///< what was read for it; empty where the head is in memory
};

/// Token embeddings, learned positions, the final norm and the output head: what stands before and
/// after the blocks.
class EmbeddingAndHead {
 public:
  /// Reads them from @p source; the head is the embedding where they are tied. Throws InputError
  /// for a missing, misshaped or non-finite tensor; where they stay in the source, as they are
  /// read.
  /// @pre the source outlives this, where they stay there
  EmbeddingAndHead(const model::ModelConfig& config, const model::TensorSource& source,
                   Kept kept = Kept::in_memory);

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
  /// The head's rows of the tokens @p words, to be used while this lives.
  HeadSlab read_head(Tile words) const;
  /// The logits of the tokens @p words of the slab only, (normed.rows, words.size()). Sequential.
  static void panel_logits(MatrixView<const float> normed, const HeadSlab& slab, Tile words,
                           MatrixView<float> out);
  std::size_t vocab_size() const { return config_.vocab_size; }
  /// Throws InputError for a token outside the vocabulary.
  void check_tokens(std::span<const std::uint32_t> tokens) const;

  /// Negative log-likelihood of @p targets, one per row of @p hidden (as it leaves the last block),
  /// in nats: fp32 logits and exponentials, summed in fp64. The head is taken slab by slab; tiles
  /// of kHeadTile rows share out over the threads, each takes a slab in panels: the logits are
  /// never all in memory. Throws InputError for a target outside the vocabulary.
  /// @param parts the rows that are scored, tiles begin at the first of each; of others the loss is
  /// 0. Empty: all
  std::vector<double> negative_log_likelihood(Threads& threads, MatrixView<const float> hidden,
                                              std::span<const std::uint32_t> targets,
                                              std::span<const Tile> parts = {}) const;
  static constexpr std::size_t kHeadTile = 256;
  /// Tokens whose logits of one tile are in cache at a time.
  static constexpr std::size_t kVocabularyPanel = 512;
  /// Tokens whose rows of the head are in memory at a time, whole panels of them.
  static constexpr std::size_t kHeadSlab = 8 * kVocabularyPanel;

  /// Of the parts of @p num_rows rows; see negative_log_likelihood.
  static std::vector<Tile> row_tiles(std::span<const Tile> parts, std::size_t num_rows);

 private:
  void embed_rows(std::span<const std::uint32_t> tokens, MatrixView<float> hidden) const;
  void add_slab(const HeadSlab& slab, MatrixView<const float> hidden,
                std::span<const std::uint32_t> targets, std::span<double> losses,
                std::span<LogSumExp> sums) const;

  model::ModelConfig config_;
  const model::TensorSource* source_ = nullptr;  // where the matrices are; null: in memory
  Matrix<float> embedding_;                      // (vocab_size, hidden_size)
  Matrix<float> positions_;  // (max_positions + kPositionOffset, hidden_size); empty when rotary
  Matrix<float> head_;       // empty when tied
  NormWeights final_norm_;
};

}  // namespace tessera::forward
