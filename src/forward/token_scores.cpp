#include "forward/token_scores.hpp"

#include "forward/log_sum_exp.hpp"

namespace tessera::forward {
namespace {

/// One row's sums over the tokens so far.
struct RowSums {
  LogSumExp p, q;
  double weighted = 0;  ///< sum_i exp(a_i - max a) (a_i - b_i)
};

/// One model's logits of a tile of rows, panel after panel of a slab.
class TileLogits {
 public:
  TileLogits(const HeadInput& input, const HeadSlab& slab, Tile rows)
      : slab_(slab),
        normed_(input.head.normed(input.hidden.middle_rows(rows.begin, rows.size()))),
        panel_(rows.size(), EmbeddingAndHead::kVocabularyPanel) {}

  MatrixView<float> compute(Tile words) {
    const auto panel = panel_.view().block(0, 0, normed_.rows(), words.size());
    EmbeddingAndHead::panel_logits(normed_, slab_, words, panel);
    return panel;
  }

 private:
  const HeadSlab& slab_;
  Matrix<float> normed_, panel_;
};

/// Adds a slab's tokens to the sums of a tile's rows.
void add_slab(TileLogits& p, TileLogits& q, Tile slab, std::span<const std::uint32_t> targets,
              std::span<RowSums> sums, std::span<TokenScore> scores) {
  std::vector<float> apart(EmbeddingAndHead::kVocabularyPanel);
  for (std::size_t k = 0; k < num_tiles(slab.size(), EmbeddingAndHead::kVocabularyPanel); ++k) {
    const Tile in_slab = tile_at(k, EmbeddingAndHead::kVocabularyPanel, slab.size());
    const Tile words{slab.begin + in_slab.begin, slab.begin + in_slab.end};
    const MatrixView<float> a = p.compute(words), b = q.compute(words);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const auto row = a.row_span(i), other = b.row_span(i);
      if (words.begin <= targets[i] && targets[i] < words.end) {
        scores[i].original_loss = -static_cast<double>(row[targets[i] - words.begin]);
        scores[i].quantized_loss = -static_cast<double>(other[targets[i] - words.begin]);
      }
      for (std::size_t w = 0; w < row.size(); ++w) apart[w] = row[w] - other[w];
      sums[i].weighted *= sums[i].p.add(row);  // row: exp(a - max a) from here on
      for (std::size_t w = 0; w < row.size(); ++w) {
        sums[i].weighted += static_cast<double>(row[w]) * static_cast<double>(apart[w]);
      }
      sums[i].q.add(other);
    }
  }
}

/// With a and b the logits, of which the log-probabilities are a - log sum exp a and so on:
///     divergence = sum_i exp(a_i - max a) (a_i - b_i) / sum_i exp(a_i - max a)
///                  - log sum exp a + log sum exp b
void finish(const RowSums& sums, TokenScore& score) {
  const double log_p = sums.p.log(), log_q = sums.q.log();
  score.original_loss += log_p;
  score.quantized_loss += log_q;
  score.divergence = sums.weighted / sums.p.sum - (log_p - log_q);
}

}  // namespace

std::vector<TokenScore> score_tokens(Threads& threads, const HeadInput& original,
                                     const HeadInput& quantized,
                                     std::span<const std::uint32_t> targets,
                                     std::span<const Tile> parts) {
  require(original.hidden.rows == targets.size() && quantized.hidden.rows == targets.size(),
          "score_tokens: one target for each row of hidden states");
  const std::size_t vocab_size = original.head.vocab_size();
  require(quantized.head.vocab_size() == vocab_size, "score_tokens: both know the same tokens");
  original.head.check_tokens(targets);
  std::vector<TokenScore> scores(targets.size());
  std::vector<RowSums> sums(targets.size());
  const std::vector<Tile> tiles = EmbeddingAndHead::row_tiles(parts, targets.size());
  const bool is_one_head = &original.head == &quantized.head;
  for (std::size_t s = 0; s < num_tiles(vocab_size, EmbeddingAndHead::kHeadSlab); ++s) {
    const Tile words = tile_at(s, EmbeddingAndHead::kHeadSlab, vocab_size);
    const HeadSlab before = original.head.read_head(words);
    const HeadSlab other = is_one_head ? HeadSlab{} : quantized.head.read_head(words);
    const HeadSlab& after = is_one_head ? before : other;
    threads.for_each(tiles.size(), [&](std::size_t i) {
      const Tile rows = tiles[i];
      TileLogits p(original, before, rows), q(quantized, after, rows);
      add_slab(p, q, words, targets.subspan(rows.begin, rows.size()),
               std::span(sums).subspan(rows.begin, rows.size()),
               std::span(scores).subspan(rows.begin, rows.size()));
    });
  }
  for (const Tile& rows : tiles) {
    for (std::size_t i = rows.begin; i < rows.end; ++i) finish(sums[i], scores[i]);
  }
  return scores;
}

}  // namespace tessera::forward
