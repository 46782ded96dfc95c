#include "forward/embedding.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::forward {
namespace {

using test::random_matrix;
using test::random_weights;

model::ModelConfig config_with(std::size_t vocab_size, bool tied) {
  model::ModelConfig config = test::tiny_config();
  config.vocab_size = vocab_size;
  config.tied_embeddings = tied;
  return config;
}

/// Logits in double precision, from the definition.
std::vector<double> exact_logits(const model::ModelConfig& config,
                                 const test::InMemorySource& source, const float* hidden) {
  const auto& norm = source.tensors.at("model.norm.weight").values;
  const auto& head =
      source.tensors.at(config.tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight")
          .values;
  double squares = 0;
  for (std::size_t j = 0; j < config.hidden_size; ++j) squares += std::pow(double{hidden[j]}, 2);
  const double size =
      std::sqrt(squares / static_cast<double>(config.hidden_size) + config.norm_epsilon);
  std::vector<double> logits(config.vocab_size);
  for (std::size_t i = 0; i < config.vocab_size; ++i) {
    for (std::size_t j = 0; j < config.hidden_size; ++j) {
      logits[i] +=
          double{head[i * config.hidden_size + j]} * double{hidden[j]} / size * double{norm[j]};
    }
  }
  return logits;
}

TEST(EmbeddingAndHead, LogitsAndLikelihoodsAreTheDefinitions) {
  Threads threads(2);
  for (const std::size_t vocab_size : {1, 53, 513, 1100}) {  // one panel and a bit
    for (const bool tied : {false, true}) {
      const auto config = config_with(vocab_size, tied);
      const auto source = random_weights(config, 5);
      const EmbeddingAndHead ends(config, source);
      const std::size_t rows = vocab_size == 53 ? 257 : 3;
      Matrix<float> hidden = random_matrix(rows, config.hidden_size, 8), out(rows, vocab_size);
      for (float& value : hidden.view().row_span(1)) value *= 1e-3F;  // where epsilon counts
      ends.logits(hidden, out);
      std::vector<std::uint32_t> targets;
      for (std::size_t i = 0; i < rows; ++i) {
        targets.push_back(static_cast<std::uint32_t>(i * 7 % vocab_size));
      }
      const auto losses = ends.negative_log_likelihood(threads, hidden, targets);
      ASSERT_EQ(losses.size(), rows);
      for (std::size_t i = 0; i < rows; ++i) {
        const auto expected = exact_logits(config, source, hidden.row(i));
        double sum = 0;
        for (std::size_t j = 0; j < vocab_size; ++j) {
          EXPECT_NEAR(out(i, j), expected[j], 1e-5);
          sum += std::exp(expected[j]);
        }
        EXPECT_NEAR(losses[i], std::log(sum) - expected[targets[i]], 1e-5);
      }
    }
  }
}

TEST(EmbeddingAndHead, EmbedsEachTokensRow) {
  const auto config = config_with(53, true);
  const auto source = random_weights(config, 5);
  const std::vector<std::uint32_t> tokens{52, 0, 52};
  Matrix<float> hidden(3, config.hidden_size);
  EmbeddingAndHead(config, source).embed(tokens, hidden);
  const auto& table = source.tensors.at("model.embed_tokens.weight").values;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(hidden(i, 4), table[tokens[i] * config.hidden_size + 4]);
  }
}

TEST(EmbeddingAndHead, LikelihoodsHaveTheSameBitsOnAnyNumberOfThreads) {
  const auto config = config_with(700, false);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  const Matrix<float> hidden = random_matrix(600, config.hidden_size, 8);
  const std::vector<std::uint32_t> targets(600, 699);
  Threads alone(1), three(3);
  EXPECT_EQ(ends.negative_log_likelihood(alone, hidden, targets),
            ends.negative_log_likelihood(three, hidden, targets));
}

TEST(EmbeddingAndHead, ATokenOutsideTheVocabularyIsNamed) {
  Threads threads(1);
  const auto config = config_with(53, true);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  Matrix<float> hidden(2, config.hidden_size);
  const std::vector<std::uint32_t> tokens{0, 53};
  const auto message = ::testing::ThrowsMessage<InputError>(::testing::AllOf(
      ::testing::HasSubstr("token 53 at position 1"), ::testing::HasSubstr("0 to 52")));
  EXPECT_THAT([&] { ends.embed(tokens, hidden); }, message);
  EXPECT_THAT([&] { ends.negative_log_likelihood(threads, hidden, tokens); }, message);
}

}  // namespace
}  // namespace tessera::forward
