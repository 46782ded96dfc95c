#include "evaluation/original_predictions.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "forward/block.hpp"
#include "model/architecture.hpp"
#include "tests/support/in_memory_source.hpp"

namespace tessera::evaluation {
namespace {

constexpr std::size_t kLength = 11;

std::vector<std::uint32_t> some_tokens(const model::ModelConfig& config, std::size_t sequences) {
  std::vector<std::uint32_t> tokens(sequences * kLength);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::uint32_t>((i * i + 3) % config.vocab_size);
  }
  return tokens;
}

/// By the definitions: blocks in double precision, logits in fp32, probabilities in double.
std::vector<std::vector<double>> log_probabilities(const model::ModelConfig& config,
                                                   const model::TensorSource& source,
                                                   std::span<const std::uint32_t> tokens) {
  const forward::EmbeddingAndHead ends(config, source);
  Matrix<float> hidden(tokens.size(), config.hidden_size);
  ends.embed(tokens, kLength, hidden);
  for (std::size_t b = 0; b < config.num_blocks; ++b) {
    forward::block_reference(config, source, b, {tokens.size() / kLength, kLength}, hidden);
  }
  Matrix<float> logits(tokens.size(), config.vocab_size);
  ends.logits(hidden, logits);
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < logits.rows(); ++i) {
    std::vector<double> row(logits.row(i), logits.row(i) + logits.cols());
    double sum = 0;
    for (const double x : row) sum += std::exp(x);
    for (double& x : row) x -= std::log(sum);
    rows.push_back(row);
  }
  return rows;
}

class OriginalPredictionsTest : public testing::Test {
 protected:
  OriginalPredictionsTest() {
    // The model after the change: one layer of the second block is another.
    const std::string name = model::linear_layers(config_, 1).back().name + ".weight";
    changed_.tensors.at(name).values = test::random_weights(config_, 6).tensors.at(name).values;
  }
  Matrix<float> walked(const OriginalPredictions& predictions, const model::TensorSource& source,
                       std::span<const std::uint32_t> tokens) {
    Matrix<float> hidden = predictions.embedded(tokens);
    predictions.walk(threads_, {config_, source, ""}, {0, config_.num_blocks}, hidden);
    return hidden;
  }
  Threads threads_{2};
  const model::ModelConfig config_ = test::tiny_config();
  const test::InMemorySource original_ = test::random_weights(config_, 5);
  test::InMemorySource changed_ = test::random_weights(config_, 5);
};

TEST_F(OriginalPredictionsTest, OfTheOriginalIsNothing) {
  const auto tokens = some_tokens(config_, 1);
  const OriginalPredictions predictions(threads_, config_, original_, tokens, kLength);
  EXPECT_EQ(predictions.num_tokens(), kLength);
  EXPECT_NEAR(predictions.divergence_of(threads_, walked(predictions, original_, tokens)), 0, 1e-7);
}

TEST_F(OriginalPredictionsTest, OfAChangedModelIsTheDefinition) {
  const auto tokens = some_tokens(config_, 3);
  const auto p = log_probabilities(config_, original_, tokens);
  const auto q = log_probabilities(config_, changed_, tokens);
  double exact = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (std::size_t w = 0; w < p[i].size(); ++w) {
      exact += std::exp(p[i][w]) * (p[i][w] - q[i][w]) / static_cast<double>(p.size());
    }
  }
  ASSERT_GT(exact, 1e-4) << "the change changes something";
  const OriginalPredictions predictions(threads_, config_, original_, tokens, kLength);
  EXPECT_NEAR(predictions.divergence_of(threads_, walked(predictions, changed_, tokens)), exact,
              1e-3 * exact + 1e-6);
}

// What lets many changed models share their way.
TEST_F(OriginalPredictionsTest, CopiesAndPartsOfAWalkGiveTheSameBits) {
  const auto tokens = some_tokens(config_, 2);
  const OriginalPredictions predictions(threads_, config_, original_, tokens, kLength);
  const Matrix<float> alone = walked(predictions, changed_, tokens);
  Matrix<float> copies(3 * tokens.size(), config_.hidden_size);
  const Matrix<float> start = predictions.embedded(tokens);
  for (std::size_t c = 0; c < 3; ++c) {
    std::ranges::copy(start.span(), copies.row(c * tokens.size()));
  }
  predictions.walk(threads_, {config_, changed_, ""}, {0, 1}, copies);
  predictions.walk(threads_, {config_, changed_, ""}, {1, config_.num_blocks}, copies);
  for (std::size_t c = 0; c < 3; ++c) {
    const auto copy = copies.view().middle_rows(c * tokens.size(), tokens.size());
    EXPECT_TRUE(std::ranges::equal(alone.span(), std::span(copy.data, alone.size()))) << c;
  }
}

}  // namespace
}  // namespace tessera::evaluation
