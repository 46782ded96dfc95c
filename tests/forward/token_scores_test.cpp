#include "forward/token_scores.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::forward {
namespace {

using test::random_matrix;
using test::random_weights;

model::ModelConfig config_with(std::size_t vocab_size) {
  model::ModelConfig config = test::tiny_config();
  config.vocab_size = vocab_size;
  config.tied_embeddings = false;
  return config;
}

std::vector<std::uint32_t> targets_of(std::size_t rows, std::size_t vocab_size) {
  std::vector<std::uint32_t> targets;
  for (std::size_t i = 0; i < rows; ++i) {
    targets.push_back(static_cast<std::uint32_t>(i * 7 % vocab_size));
  }
  return targets;
}

double log_sum_exp(std::span<const float> logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return std::log(sum);
}

/// sum_i p_i log(p_i / q_i), as it is written.
double divergence(std::span<const float> a, std::span<const float> b) {
  const double log_a = log_sum_exp(a), log_b = log_sum_exp(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double log_p = static_cast<double>(a[i]) - log_a;
    sum += std::exp(log_p) * (log_p - (static_cast<double>(b[i]) - log_b));
  }
  return sum;
}

TEST(TokenScores, AreTheDefinitionsOnOnePanelAndABit) {
  Threads threads(2);
  for (const std::size_t vocab_size : {1, 53, 513, 1100}) {
    const auto config = config_with(vocab_size);
    const auto weights = random_weights(config, 5), others = random_weights(config, 6);
    const EmbeddingAndHead p(config, weights), q(config, others);
    const std::size_t rows = vocab_size == 53 ? 257 : 3;  // one tile and a bit
    const Matrix<float> before = random_matrix(rows, config.hidden_size, 8),
                        after = random_matrix(rows, config.hidden_size, 9);
    Matrix<float> a(rows, vocab_size), b(rows, vocab_size);
    p.logits(before, a);
    q.logits(after, b);
    const auto targets = targets_of(rows, vocab_size);
    const auto scores = score_tokens(threads, {p, before}, {q, after}, targets);
    const auto losses = p.negative_log_likelihood(threads, before, targets);
    const auto other_losses = q.negative_log_likelihood(threads, after, targets);
    ASSERT_EQ(scores.size(), rows);
    for (std::size_t i = 0; i < rows; ++i) {
      EXPECT_EQ(scores[i].original_loss, losses[i]);
      EXPECT_EQ(scores[i].quantized_loss, other_losses[i]);
      // fp32 exponentials (4e-7) of logits a few units apart.
      EXPECT_NEAR(scores[i].divergence, divergence(a.view().row_span(i), b.view().row_span(i)),
                  1e-5);
    }
  }
}

TEST(TokenScores, HaveTheSameBitsWhereHeadsAreReadInSlabs) {
  Threads threads(2);
  const auto config = config_with(4097);  // a slab and a token
  const auto weights = random_weights(config, 5), others = random_weights(config, 6);
  const EmbeddingAndHead p(config, weights), q(config, others);
  const EmbeddingAndHead p_left(config, weights, Kept::in_source),
      q_left(config, others, Kept::in_source);
  const Matrix<float> before = random_matrix(260, config.hidden_size, 8),
                      after = random_matrix(260, config.hidden_size, 9);
  const auto targets = targets_of(260, 4097);
  const std::vector<Tile> parts{{1, 3}, {4, 260}};
  const auto expected = score_tokens(threads, {p, before}, {q, after}, targets, parts);
  const auto found = score_tokens(threads, {p_left, before}, {q_left, after}, targets, parts);
  const auto whole = score_tokens(threads, {p, before}, {q, after}, targets);
  for (std::size_t i = 0; i < 260; ++i) {
    EXPECT_EQ(found[i].original_loss, expected[i].original_loss);
    EXPECT_EQ(found[i].quantized_loss, expected[i].quantized_loss);
    EXPECT_EQ(found[i].divergence, expected[i].divergence);
    const bool is_scored = i != 0 && i != 3;
    // Rows of other tiles: fp32 logits round otherwise.
    EXPECT_NEAR(expected[i].divergence, is_scored ? whole[i].divergence : 0.0, 1e-5);
  }
}

TEST(TokenScores, WorkedOutByHand) {
  // p = (1/2, 1/2) and q = (3/4, 1/4): 1/2 log(2/3) + 1/2 log 2 = 1/2 log(4/3).
  auto config = config_with(2);
  config.norm_epsilon = 0;
  auto even = random_weights(config, 5), uneven = random_weights(config, 5);
  for (auto* source : {&even, &uneven}) {
    std::ranges::fill(source->tensors.at("model.norm.weight").values, 1.0F);
    std::ranges::fill(source->tensors.at("lm_head.weight").values, 0.0F);
  }
  const std::size_t n = config.hidden_size;
  for (std::size_t j = 0; j < n; ++j) {
    uneven.tensors.at("lm_head.weight").values[j] = std::log(3.0F) / static_cast<float>(n);
  }
  Matrix<float> hidden(1, n);
  std::ranges::fill(hidden.span(), 1.0F);
  Threads threads(1);
  const EmbeddingAndHead p(config, even), q(config, uneven);
  const std::vector<std::uint32_t> target{0};
  const auto score = score_tokens(threads, {p, hidden}, {q, hidden}, target).front();
  EXPECT_NEAR(score.divergence, 0.5 * std::log(4.0 / 3), 1e-6);
  EXPECT_NEAR(score.original_loss, std::log(2.0), 1e-6);
  EXPECT_NEAR(score.quantized_loss, std::log(4.0 / 3), 1e-6);
}

TEST(TokenScores, ModelsThatAgreeDoNotDiverge) {
  const auto config = config_with(513);
  const auto weights = random_weights(config, 5);
  const EmbeddingAndHead ends(config, weights);
  const Matrix<float> hidden = random_matrix(3, config.hidden_size, 8);
  Threads threads(1);
  for (const auto& score :
       score_tokens(threads, {ends, hidden}, {ends, hidden}, targets_of(3, 513))) {
    EXPECT_EQ(score.divergence, 0.0);
  }
}

TEST(TokenScores, RefusesATokenOutsideTheVocabulary) {
  const auto config = config_with(53);
  const auto weights = random_weights(config, 5);
  const EmbeddingAndHead ends(config, weights);
  const Matrix<float> hidden = random_matrix(1, config.hidden_size, 8);
  Threads threads(1);
  const std::vector<std::uint32_t> target{53};
  EXPECT_THROW(score_tokens(threads, {ends, hidden}, {ends, hidden}, target), InputError);
}

}  // namespace
}  // namespace tessera::forward
