#include "forward/embedding.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "linalg/gemm.hpp"
#include "linalg/vector_math.hpp"
#include "model/architecture.hpp"

namespace tessera::forward {

EmbeddingAndHead::EmbeddingAndHead(const model::ModelConfig& config,
                                   const model::TensorSource& source, Kept kept)
    : config_(config),
      final_norm_(load_norm(source, model::final_norm(config), config.hidden_size)) {
  if (config.positions == model::Positions::learned) {
    positions_ =
        source.read_matrix(model::positions_name(config),
                           config.max_positions + model::kPositionOffset, config.hidden_size);
  }
  if (kept == Kept::in_source) {
    source_ = &source;
    return;
  }
  embedding_ =
      source.read_matrix(model::embedding_name(config), config.vocab_size, config.hidden_size);
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
  embed_rows(tokens, hidden);
  if (positions_.empty()) return;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    linalg::add(positions_.view().row_span(start + i % length + model::kPositionOffset),
                hidden.row_span(i));
  }
}

void EmbeddingAndHead::embed_rows(std::span<const std::uint32_t> tokens,
                                  MatrixView<float> hidden) const {
  if (source_ == nullptr) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::ranges::copy(embedding_.view().row_span(tokens[i]), hidden.row(i));
    }
    return;
  }
  std::vector<std::size_t> order(tokens.size());  // of the file; each row is read once
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return tokens[i]; });
  const std::string name = model::embedding_name(config_);
  Matrix<float> row;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::size_t token = tokens[order[k]];
    if (k == 0 || token != tokens[order[k - 1]]) {
      row = source_->read_matrix_rows(name, config_.vocab_size, config_.hidden_size,
                                      {token, token + 1});
    }
    std::ranges::copy(row.span(), hidden.row(order[k]));
  }
}

HeadSlab EmbeddingAndHead::read_head(Tile words) const {
  if (source_ == nullptr) {
    const Matrix<float>& head = config_.tied_embeddings ? embedding_ : head_;
    return {words, head.view().middle_rows(words.begin, words.size()), {}};
  }
  const std::string name =
      config_.tied_embeddings ? model::embedding_name(config_) : std::string(model::kHeadName);
  HeadSlab slab{words, {}, {}};
  slab.own = source_->read_matrix_rows(name, config_.vocab_size, config_.hidden_size, words);
  slab.rows = std::as_const(slab.own).view();
  return slab;
}

Matrix<float> EmbeddingAndHead::normed(MatrixView<const float> hidden) const {
  Matrix<float> normed(hidden.rows, hidden.cols);
  normalize_rows(config_, final_norm_, hidden, normed);
  return normed;
}

void EmbeddingAndHead::panel_logits(MatrixView<const float> normed, const HeadSlab& slab,
                                    Tile words, MatrixView<float> out) {
  linalg::gemm(1, normed, linalg::Transposed::no,
               slab.rows.middle_rows(words.begin - slab.words.begin, words.size()),
               linalg::Transposed::yes, 0, out);
}

void EmbeddingAndHead::logits(MatrixView<const float> hidden, MatrixView<float> out) const {
  const Tile all{0, config_.vocab_size};
  panel_logits(normed(hidden), read_head(all), all, out);
}

void EmbeddingAndHead::logits(Threads& threads, MatrixView<const float> hidden,
                              MatrixView<float> out) const {
  const Matrix<float> normed_rows = normed(hidden);
  const HeadSlab head = read_head({0, config_.vocab_size});
  threads.for_each(num_tiles(config_.vocab_size, kVocabularyPanel), [&](std::size_t i) {
    const Tile words = tile_at(i, kVocabularyPanel, config_.vocab_size);
    panel_logits(normed_rows, head, words, out.block(0, words.begin, out.rows, words.size()));
  });
}

std::vector<Tile> EmbeddingAndHead::row_tiles(std::span<const Tile> parts, std::size_t num_rows) {
  const Tile all{0, num_rows};
  if (parts.empty()) parts = {&all, 1};
  std::vector<Tile> tiles;
  for (const Tile& part : parts) {
    require(part.end <= num_rows, "rows that are scored are there");
    for (std::size_t i = 0; i < num_tiles(part.size(), kHeadTile); ++i) {
      const Tile tile = tile_at(i, kHeadTile, part.size());
      tiles.push_back({part.begin + tile.begin, part.begin + tile.end});
    }
  }
  return tiles;
}

std::vector<double> EmbeddingAndHead::negative_log_likelihood(
    Threads& threads, MatrixView<const float> hidden, std::span<const std::uint32_t> targets,
    std::span<const Tile> parts) const {
  require(hidden.rows == targets.size() && hidden.cols == config_.hidden_size,
          "EmbeddingAndHead::negative_log_likelihood: one target for each row of hidden states");
  check_tokens(targets);
  std::vector<double> losses(targets.size());
  std::vector<LogSumExp> sums(targets.size());
  const std::vector<Tile> tiles = row_tiles(parts, hidden.rows);
  for (std::size_t s = 0; s < num_tiles(config_.vocab_size, kHeadSlab); ++s) {
    const HeadSlab slab = read_head(tile_at(s, kHeadSlab, config_.vocab_size));
    threads.for_each(tiles.size(), [&](std::size_t i) {
      const Tile tile = tiles[i];
      add_slab(slab, hidden.middle_rows(tile.begin, tile.size()),
               targets.subspan(tile.begin, tile.size()),
               std::span(losses).subspan(tile.begin, tile.size()),
               std::span(sums).subspan(tile.begin, tile.size()));
    });
  }
  for (const Tile& tile : tiles) {
    for (std::size_t i = tile.begin; i < tile.end; ++i) losses[i] += sums[i].log();
  }
  return losses;
}

void EmbeddingAndHead::add_slab(const HeadSlab& slab, MatrixView<const float> hidden,
                                std::span<const std::uint32_t> targets, std::span<double> losses,
                                std::span<LogSumExp> sums) const {
  const Matrix<float> normed_rows = normed(hidden);
  Matrix<float> panel(hidden.rows, kVocabularyPanel);
  for (std::size_t p = 0; p < num_tiles(slab.words.size(), kVocabularyPanel); ++p) {
    const Tile in_slab = tile_at(p, kVocabularyPanel, slab.words.size());
    const Tile words{slab.words.begin + in_slab.begin, slab.words.begin + in_slab.end};
    const auto logits = panel.view().block(0, 0, hidden.rows, words.size());
    panel_logits(normed_rows, slab, words, logits);
    for (std::size_t i = 0; i < hidden.rows; ++i) {
      if (words.begin <= targets[i] && targets[i] < words.end) {
        losses[i] = -static_cast<double>(logits(i, targets[i] - words.begin));
      }
      sums[i].add(logits.row_span(i));
    }
  }
}

}  // namespace tessera::forward
