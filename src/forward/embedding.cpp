#include "forward/embedding.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "forward/log_sum_exp.hpp"
#include "linalg/gemm.hpp"
#include "linalg/vector_math.hpp"
#include "model/architecture.hpp"

namespace tessera::forward {

EmbeddingAndHead::EmbeddingAndHead(const model::ModelConfig& config,
                                   const model::TensorSource& source)
    : config_(config),
      embedding_(
          source.read_matrix(model::embedding_name(config), config.vocab_size, config.hidden_size)),
      final_norm_(load_norm(source, model::final_norm(config), config.hidden_size)) {
  if (config.positions == model::Positions::learned) {
    positions_ =
        source.read_matrix(model::positions_name(config),
                           config.max_positions + model::kPositionOffset, config.hidden_size);
  }
  if (!config.tied_embeddings) {
    head_ = source.read_matrix(model::kHeadName, config.vocab_size, config.hidden_size);
  }
}

void EmbeddingAndHead::check_tokens(std::span<const std::uint32_t> tokens) const {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < config_.vocab_size) continue;
    throw InputError(fmt::format(
        "token {} at position {} is outside the vocabulary (the model knows 0 to {}). Tokenize the "
        "text with this model's own tokenizer.",
        tokens[i], i, config_.vocab_size - 1));
  }
}

void EmbeddingAndHead::embed(std::span<const std::uint32_t> tokens, std::size_t length,
                             MatrixView<float> hidden, std::size_t start) const {
  require(hidden.rows == tokens.size() && hidden.cols == config_.hidden_size,
          "EmbeddingAndHead::embed: hidden states do not have the tokens' shape");
  require(tokens.empty() || (length > 0 && tokens.size() % length == 0),
          "EmbeddingAndHead::embed: there are whole sequences");
  check_tokens(tokens);
  model::require_positions(config_, start + length, "the length of a sequence");
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::ranges::copy(embedding_.view().row_span(tokens[i]), hidden.row(i));
    if (positions_.empty()) continue;
    linalg::add(positions_.view().row_span(start + i % length + model::kPositionOffset),
                hidden.row_span(i));
  }
}

Matrix<float> EmbeddingAndHead::normed(MatrixView<const float> hidden) const {
  Matrix<float> normed(hidden.rows, hidden.cols);
  normalize_rows(config_, final_norm_, hidden, normed);
  return normed;
}

void EmbeddingAndHead::panel_logits(MatrixView<const float> normed, Tile words,
                                    MatrixView<float> out) const {
  linalg::gemm(1, normed, linalg::Transposed::no,
               head().view().middle_rows(words.begin, words.size()), linalg::Transposed::yes, 0,
               out);
}

void EmbeddingAndHead::logits(MatrixView<const float> hidden, MatrixView<float> out) const {
  linalg::gemm(1, normed(hidden), linalg::Transposed::no, head(), linalg::Transposed::yes, 0, out);
}

void EmbeddingAndHead::logits(Threads& threads, MatrixView<const float> hidden,
                              MatrixView<float> out) const {
  const Matrix<float> normed_rows = normed(hidden);
  threads.for_each(num_tiles(config_.vocab_size, kVocabularyPanel), [&](std::size_t i) {
    const Tile words = tile_at(i, kVocabularyPanel, config_.vocab_size);
    panel_logits(normed_rows, words, out.block(0, words.begin, out.rows, words.size()));
  });
}

std::vector<double> EmbeddingAndHead::negative_log_likelihood(
    Threads& threads, MatrixView<const float> hidden,
    std::span<const std::uint32_t> targets) const {
  require(hidden.rows == targets.size() && hidden.cols == config_.hidden_size,
          "EmbeddingAndHead::negative_log_likelihood: one target for each row of hidden states");
  check_tokens(targets);
  std::vector<double> losses(targets.size());
  threads.for_each(num_tiles(hidden.rows, kHeadTile), [&](std::size_t i) {
    const Tile tile = tile_at(i, kHeadTile, hidden.rows);
    score_tile(hidden.middle_rows(tile.begin, tile.size()),
               targets.subspan(tile.begin, tile.size()),
               std::span(losses).subspan(tile.begin, tile.size()));
  });
  return losses;
}

void EmbeddingAndHead::score_tile(MatrixView<const float> hidden,
                                  std::span<const std::uint32_t> targets,
                                  std::span<double> losses) const {
  const Matrix<float> normed_rows = normed(hidden);
  Matrix<float> panel(hidden.rows, kVocabularyPanel);
  std::vector<LogSumExp> sums(hidden.rows);
  for (std::size_t p = 0; p < num_tiles(config_.vocab_size, kVocabularyPanel); ++p) {
    const Tile words = tile_at(p, kVocabularyPanel, config_.vocab_size);
    const auto logits = panel.view().block(0, 0, hidden.rows, words.size());
    panel_logits(normed_rows, words, logits);
    for (std::size_t i = 0; i < hidden.rows; ++i) {
      if (words.begin <= targets[i] && targets[i] < words.end) {
        losses[i] = -static_cast<double>(logits(i, targets[i] - words.begin));
      }
      sums[i].add(logits.row_span(i));
    }
  }
  for (std::size_t i = 0; i < hidden.rows; ++i) losses[i] += sums[i].log();
}

}  // namespace tessera::forward
