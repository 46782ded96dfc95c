#include "forward/embedding.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/architecture.hpp"
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

model::ModelConfig opt_with(std::size_t vocab_size) {
  model::ModelConfig config = test::tiny_opt_config();
  config.vocab_size = vocab_size;
  return config;
}

/// Logits in double precision, from the definition.
std::vector<double> exact_logits(const model::ModelConfig& config,
                                 const test::InMemorySource& source, const float* hidden) {
  const auto values = [&](const std::string& name) { return source.tensors.at(name).values; };
  const auto norm = model::final_norm(config);
  const auto head = values(config.tied_embeddings ? model::embedding_name(config)
                                                  : std::string(model::kHeadName));
  std::vector<double> x(hidden, hidden + config.hidden_size);
  const auto size = static_cast<double>(x.size());
  if (config.norm == model::NormKind::layer) {
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / size;
    for (double& value : x) value -= mean;
  }
  const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
  const auto weight = values(norm.weight);
  const auto bias = norm.bias.empty() ? std::vector<float>(x.size()) : values(norm.bias);
  std::vector<double> logits(config.vocab_size);
  for (std::size_t j = 0; j < x.size(); ++j) {
    x[j] = x[j] / std::sqrt(squares / size + config.norm_epsilon) * double{weight[j]} +
           double{bias[j]};
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] += double{head[i * x.size() + j]} * x[j];
  }
  return logits;
}

TEST(EmbeddingAndHead, LogitsAndLikelihoodsAreTheDefinitions) {
  Threads threads(2);
  for (const std::size_t vocab_size : {1, 53, 513, 1100}) {  // one panel and a bit
    for (const auto& config :
         {config_with(vocab_size, false), config_with(vocab_size, true), opt_with(vocab_size)}) {
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
  EmbeddingAndHead(config, source).embed(tokens, tokens.size(), hidden);
  const auto& table = source.tensors.at("model.embed_tokens.weight").values;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(hidden(i, 4), table[tokens[i] * config.hidden_size + 4]);
  }
}

TEST(EmbeddingAndHead, LearnedPositionsAreAddedAndCountFromEachSequencesStart) {
  const auto config = opt_with(53);
  const auto source = random_weights(config, 5);
  const std::vector<std::uint32_t> tokens{52, 0, 52, 7, 7, 1};
  const EmbeddingAndHead ends(config, source);
  Matrix<float> hidden(6, config.hidden_size);
  const auto& table = source.tensors.at("model.decoder.embed_tokens.weight").values;
  const auto& positions = source.tensors.at("model.decoder.embed_positions.weight").values;
  for (const std::size_t length : {1, 2, 3, 6}) {
    ends.embed(tokens, length, hidden);
    for (std::size_t i = 0; i < 6; ++i) {
      const std::size_t row = i % length + 2;  // the first two are for padding
      EXPECT_EQ(hidden(i, 4), table[tokens[i] * config.hidden_size + 4] +
                                  positions[row * config.hidden_size + 4]);
    }
  }
}

TEST(EmbeddingAndHead, ASequenceEndsWhereLearnedPositionsDo) {
  const auto config = opt_with(53);
  const EmbeddingAndHead ends(config, random_weights(config, 5));
  const std::vector<std::uint32_t> tokens(config.max_positions + 1, 3);
  Matrix<float> hidden(tokens.size(), config.hidden_size);
  EXPECT_NO_THROW(ends.embed(std::span(tokens).first(300), 300, hidden.view().middle_rows(0, 300)));
  EXPECT_THAT([&] { ends.embed(tokens, tokens.size(), hidden); },
              ::testing::ThrowsMessage<InputError>(
                  ::testing::HasSubstr("the length of a sequence is 301 tokens (OPTForCausalLM has "
                                       "learned positions for 300")));
  EXPECT_THROW(ends.embed(tokens, 2, hidden), Bug);  // no whole number of sequences
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
  EXPECT_THAT([&] { ends.embed(tokens, tokens.size(), hidden); }, message);
  EXPECT_THAT([&] { ends.negative_log_likelihood(threads, hidden, tokens); }, message);
}

}  // namespace
}  // namespace tessera::forward
