#include "evaluation/divergence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/support/in_memory_source.hpp"

namespace tessera::evaluation {
namespace {

std::vector<std::uint32_t> random_tokens(std::size_t count, std::size_t vocab_size) {
  const CounterRandom random(2, "tokens", "test");
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::uint32_t>(random.below(i, vocab_size)));
  }
  return tokens;
}

class WindowScoresTest : public testing::Test {
 protected:
  std::vector<WindowScore> score(const model::TensorSource& original,
                                 const model::TensorSource& quantized,
                                 const PerplexitySettings& settings,
                                 const std::vector<std::size_t>& windows,
                                 std::size_t num_threads = 2, std::uint64_t max_bytes = 0) {
    Threads threads(num_threads);
    return window_scores(threads, log_, {config_, original, "original"},
                         {config_, quantized, "quantized"}, tokens_, settings, windows, max_bytes);
  }
  SilentLog log_;
  const model::ModelConfig config_ = test::tiny_config();
  const test::InMemorySource one_ = test::random_weights(config_, 1);
  const test::InMemorySource other_ = test::random_weights(config_, 2);
  const std::vector<std::uint32_t> tokens_ = random_tokens(83, config_.vocab_size);
};

TEST_F(WindowScoresTest, LossesHaveTheBitsOfWindowLosses) {
  Threads threads(2);
  for (const std::size_t length : {2, 17, 40}) {
    const PerplexitySettings settings{length, 0};
    const auto windows = windows_of_rank(count_windows(tokens_.size(), settings), length, 0, 1);
    const auto scores = score(one_, other_, settings, windows);
    const auto of_one =
        window_losses(threads, log_, {config_, one_, "one"}, tokens_, settings, windows);
    const auto of_other =
        window_losses(threads, log_, {config_, other_, "other"}, tokens_, settings, windows);
    ASSERT_EQ(scores.size(), of_one.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i].original_loss, of_one[i]);
      EXPECT_EQ(scores[i].quantized_loss, of_other[i]);
      EXPECT_GT(scores[i].divergence, 0);
    }
  }
}

TEST_F(WindowScoresTest, ThreadsMemoryAndRanksChangeNoBit) {
  const PerplexitySettings settings{3, 0};
  const std::vector<std::size_t> all = windows_of_rank(27, 3, 0, 1);
  const auto expected = score(one_, other_, settings, all, 1);
  for (const std::size_t threads : {2, 3}) {
    for (const std::uint64_t bytes : {0, 1}) {
      const auto found = score(one_, other_, settings, all, threads, bytes);
      for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(found[i].divergence, expected[i].divergence);
      }
    }
  }
}

TEST_F(WindowScoresTest, AModelDoesNotDivergeFromItself) {
  for (const auto& window : score(one_, one_, {17, 0}, {0, 1, 2, 3})) {
    EXPECT_EQ(window.divergence, 0.0);
    EXPECT_EQ(window.original_loss, window.quantized_loss);
  }
}

TEST(ScoresOf, AreMeansOverPredictedTokens) {
  // Two windows of 3 tokens predict 4.
  const std::vector<WindowScore> windows{{1, 2, 0.5}, {3, 4, 1.5}};
  const Scores scores = scores_of(windows, {3, 0});
  EXPECT_DOUBLE_EQ(scores.original.mean_nll, 1);
  EXPECT_DOUBLE_EQ(scores.quantized.mean_nll, 1.5);
  EXPECT_DOUBLE_EQ(scores.divergence.mean, 0.5);
  EXPECT_EQ(scores.divergence.num_tokens, 4u);
}

}  // namespace
}  // namespace tessera::evaluation
