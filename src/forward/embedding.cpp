#include "forward/embedding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "linalg/gemm.hpp"
#include "linalg/vector_math.hpp"
#include "model/architecture.hpp"

namespace tessera::forward {
namespace {

/// log(sum(exp(logits))) of the panels so far, kept as a maximum and a sum beside it.
struct RunningSum {
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0;

  void add(std::span<float> logits) {  // overwrites them
    const double largest = static_cast<double>(linalg::largest(logits));
    if (largest > maximum) {
      sum *= std::exp(maximum - largest);
      maximum = largest;
    }
    sum += linalg::exp_and_sum(logits, static_cast<float>(maximum));
  }
  double log() const { return maximum + std::log(sum); }
};

/// sum_w p(w) (a_w - b_w) with p(w) ~ exp(a_w), of the panels so far: as a maximum, the exponentials'
/// sum and the weighted sum.
struct RunningMean {
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0, weighted = 0;

  void add(std::span<float> a, std::span<const float> b) {  // overwrites a
    const double largest = static_cast<double>(linalg::largest(a));
    if (largest > maximum) {
      const double shrink = std::exp(maximum - largest);
      sum *= shrink;
      weighted *= shrink;
      maximum = largest;
    }
    std::vector<float> difference(a.size());
    for (std::size_t w = 0; w < a.size(); ++w) difference[w] = a[w] - b[w];
    sum += linalg::exp_and_sum(a, static_cast<float>(maximum));
    for (std::size_t w = 0; w < a.size(); ++w) {
      weighted += static_cast<double>(a[w]) * static_cast<double>(difference[w]);
    }
  }
  double log_sum() const { return maximum + std::log(sum); }
  double mean() const { return weighted / sum; }
};

}  // namespace

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

void EmbeddingAndHead::logits(MatrixView<const float> hidden, MatrixView<float> out) const {
  Matrix<float> normed(hidden.rows, hidden.cols);
  normalize_rows(config_, final_norm_, hidden, normed);
  linalg::gemm(1, normed, linalg::Transposed::no, head(), linalg::Transposed::yes, 0, out);
}

void EmbeddingAndHead::logits(Threads& threads, MatrixView<const float> hidden,
                              MatrixView<float> out) const {
  Matrix<float> normed(hidden.rows, hidden.cols);
  normalize_rows(config_, final_norm_, hidden, normed);
  threads.for_each(num_tiles(config_.vocab_size, kVocabularyPanel), [&](std::size_t i) {
    const Tile words = tile_at(i, kVocabularyPanel, config_.vocab_size);
    linalg::gemm(1, normed, linalg::Transposed::no,
                 head().view().middle_rows(words.begin, words.size()), linalg::Transposed::yes, 0,
                 out.block(0, words.begin, out.rows, words.size()));
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
  Matrix<float> normed(hidden.rows, hidden.cols), panel(hidden.rows, kVocabularyPanel);
  normalize_rows(config_, final_norm_, hidden, normed);
  std::vector<RunningSum> sums(hidden.rows);
  for (std::size_t p = 0; p < num_tiles(config_.vocab_size, kVocabularyPanel); ++p) {
    const Tile words = tile_at(p, kVocabularyPanel, config_.vocab_size);
    const auto logits = panel.view().block(0, 0, hidden.rows, words.size());
    linalg::gemm(1, normed, linalg::Transposed::no,
                 head().view().middle_rows(words.begin, words.size()), linalg::Transposed::yes, 0,
                 logits);
    for (std::size_t i = 0; i < hidden.rows; ++i) {
      if (words.begin <= targets[i] && targets[i] < words.end) {
        losses[i] = -static_cast<double>(logits(i, targets[i] - words.begin));
      }
      sums[i].add(logits.row_span(i));
    }
  }
  for (std::size_t i = 0; i < hidden.rows; ++i) losses[i] += sums[i].log();
}

std::vector<double> EmbeddingAndHead::divergence(Threads& threads, MatrixView<const float> hidden,
                                                 MatrixView<const float> other) const {
  require(hidden.rows == other.rows && hidden.cols == other.cols &&
              hidden.cols == config_.hidden_size,
          "EmbeddingAndHead::divergence: two states of the same tokens");
  std::vector<double> divergences(hidden.rows);
  threads.for_each(num_tiles(hidden.rows, kHeadTile), [&](std::size_t i) {
    const Tile tile = tile_at(i, kHeadTile, hidden.rows);
    compare_tile(hidden.middle_rows(tile.begin, tile.size()),
                 other.middle_rows(tile.begin, tile.size()),
                 std::span(divergences).subspan(tile.begin, tile.size()));
  });
  return divergences;
}

void EmbeddingAndHead::compare_tile(MatrixView<const float> hidden, MatrixView<const float> other,
                                    std::span<double> divergences) const {
  Matrix<float> normed(hidden.rows, hidden.cols), normed_other(hidden.rows, hidden.cols);
  Matrix<float> panel(hidden.rows, kVocabularyPanel), panel_other(hidden.rows, kVocabularyPanel);
  normalize_rows(config_, final_norm_, hidden, normed);
  normalize_rows(config_, final_norm_, other, normed_other);
  std::vector<RunningMean> means(hidden.rows);
  std::vector<RunningSum> sums(hidden.rows);  // of the other's
  for (std::size_t p = 0; p < num_tiles(config_.vocab_size, kVocabularyPanel); ++p) {
    const Tile words = tile_at(p, kVocabularyPanel, config_.vocab_size);
    const auto rows = head().view().middle_rows(words.begin, words.size());
    const auto logits = panel.view().block(0, 0, hidden.rows, words.size());
    const auto logits_other = panel_other.view().block(0, 0, hidden.rows, words.size());
    linalg::gemm(1, normed, linalg::Transposed::no, rows, linalg::Transposed::yes, 0, logits);
    linalg::gemm(1, normed_other, linalg::Transposed::no, rows, linalg::Transposed::yes, 0,
                 logits_other);
    for (std::size_t i = 0; i < hidden.rows; ++i) {
      means[i].add(logits.row_span(i), logits_other.row_span(i));
      sums[i].add(logits_other.row_span(i));
    }
  }
  for (std::size_t i = 0; i < hidden.rows; ++i) {
    divergences[i] = means[i].mean() - means[i].log_sum() + sums[i].log();
  }
}

}  // namespace tessera::forward
