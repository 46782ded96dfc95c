#include "forward/token_scores.hpp"

#include "forward/log_sum_exp.hpp"

namespace tessera::forward {
namespace {

/// One model's logits of a tile of rows, panel after panel.
class TileLogits {
 public:
  TileLogits(const HeadInput& input, Tile rows)
      : head_(input.head),
        normed_(input.head.normed(input.hidden.middle_rows(rows.begin, rows.size()))),
        panel_(rows.size(), EmbeddingAndHead::kVocabularyPanel),
        sums_(rows.size()) {}

  MatrixView<float> compute(Tile words) {
    const auto panel = panel_.view().block(0, 0, normed_.rows(), words.size());
    head_.panel_logits(normed_, words, panel);
    return panel;
  }
  LogSumExp& sum(std::size_t row) { return sums_[row]; }

 private:
  const EmbeddingAndHead& head_;
  Matrix<float> normed_, panel_;
  std::vector<LogSumExp> sums_;
};

/// With a and b the logits, of which the log-probabilities are a - log sum exp a and so on:
///     divergence = sum_i exp(a_i - max a) (a_i - b_i) / sum_i exp(a_i - max a)
///                  - log sum exp a + log sum exp b
void score_tile(TileLogits& p, TileLogits& q, std::size_t vocab_size,
                std::span<const std::uint32_t> targets, std::span<TokenScore> scores) {
  std::vector<double> weighted(targets.size());
  std::vector<float> apart(EmbeddingAndHead::kVocabularyPanel);
  const std::size_t num_panels = num_tiles(vocab_size, EmbeddingAndHead::kVocabularyPanel);
  for (std::size_t panel = 0; panel < num_panels; ++panel) {
    const Tile words = tile_at(panel, EmbeddingAndHead::kVocabularyPanel, vocab_size);
    const MatrixView<float> a = p.compute(words), b = q.compute(words);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const auto row = a.row_span(i), other = b.row_span(i);
      if (words.begin <= targets[i] && targets[i] < words.end) {
        scores[i].original_loss = -static_cast<double>(row[targets[i] - words.begin]);
        scores[i].quantized_loss = -static_cast<double>(other[targets[i] - words.begin]);
      }
      for (std::size_t w = 0; w < row.size(); ++w) apart[w] = row[w] - other[w];
      weighted[i] *= p.sum(i).add(row);  // row: exp(a - max a) from here on
      for (std::size_t w = 0; w < row.size(); ++w) {
        weighted[i] += static_cast<double>(row[w]) * static_cast<double>(apart[w]);
      }
      q.sum(i).add(other);
    }
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const double log_p = p.sum(i).log(), log_q = q.sum(i).log();
    scores[i].original_loss += log_p;
    scores[i].quantized_loss += log_q;
    scores[i].divergence = weighted[i] / p.sum(i).sum - (log_p - log_q);
  }
}

}  // namespace

std::vector<TokenScore> score_tokens(Threads& threads, const HeadInput& original,
                                     const HeadInput& quantized,
                                     std::span<const std::uint32_t> targets) {
  require(original.hidden.rows == targets.size() && quantized.hidden.rows == targets.size(),
          "score_tokens: one target for each row of hidden states");
  const std::size_t vocab_size = original.head.vocab_size();
  require(quantized.head.vocab_size() == vocab_size, "score_tokens: both know the same tokens");
  original.head.check_tokens(targets);
  std::vector<TokenScore> scores(targets.size());
  threads.for_each(num_tiles(targets.size(), EmbeddingAndHead::kHeadTile), [&](std::size_t i) {
    const Tile rows = tile_at(i, EmbeddingAndHead::kHeadTile, targets.size());
    TileLogits p(original, rows), q(quantized, rows);
    score_tile(p, q, vocab_size, targets.subspan(rows.begin, rows.size()),
               std::span(scores).subspan(rows.begin, rows.size()));
  });
  return scores;
}

}  // namespace tessera::forward
