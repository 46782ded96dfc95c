#include "evaluation/perplexity.hpp"

#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/random.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "model/architecture.hpp"

namespace tessera::evaluation {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

model::ModelConfig tiny_config() {
  model::ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 24;
  config.intermediate_size = 36;
  config.num_blocks = 2;
  config.num_heads = 3;
  config.num_kv_heads = 1;
  config.head_dim = 8;
  config.vocab_size = 61;
  config.max_positions = 128;
  config.tied_embeddings = true;
  return config;
}

/// Weights made up as they are asked for; `scale` 0 makes every logit 0.
class MadeUpWeights final : public model::TensorSource {
 public:
  explicit MadeUpWeights(double scale) : scale_(scale) {
    for (const auto& tensor : model::expected_tensors(tiny_config()))
      shapes_[tensor.name] = tensor.shape;
  }
  bool contains(std::string_view name) const override {
    return shapes_.contains(std::string(name));
  }
  model::TensorInfo info(std::string_view name) const override {
    return {DType::f32, shapes_.at(std::string(name))};
  }
  void read(std::string_view name, std::span<float> out) const override {
    const CounterRandom random(1, name, "test");
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(scale_ * random.normal(i));
    }
  }
  std::string origin() const override { return "made up"; }

 private:
  double scale_;
  std::map<std::string, std::vector<std::size_t>> shapes_;
};

std::vector<std::uint32_t> random_tokens(std::size_t count) {
  const CounterRandom random(2, "tokens", "test");
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::uint32_t>(random.below(i, tiny_config().vocab_size)));
  }
  return tokens;
}

Perplexity score(const model::TensorSource& weights, std::span<const std::uint32_t> tokens,
                 const PerplexitySettings& settings, std::size_t num_threads = 2) {
  Threads threads(num_threads);
  SilentLog log;
  const model::ModelConfig config = tiny_config();
  return perplexity(threads, log, {config, weights, "test"}, tokens, settings);
}

/// The definition, one window and one token at a time, with every logit in memory.
double mean_nll_of(const model::TensorSource& weights, std::span<const std::uint32_t> tokens,
                   std::size_t length) {
  const model::ModelConfig config = tiny_config();
  Threads threads(1);
  const forward::EmbeddingAndHead ends(config, weights);
  const forward::BlockForward forward(config, length);
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t begin = 0; begin + length <= tokens.size(); begin += length) {
    Matrix<float> hidden(length, config.hidden_size);
    ends.embed(tokens.subspan(begin, length), length, hidden);
    for (std::size_t b = 0; b < config.num_blocks; ++b) {
      forward.run(threads, forward::load_block(config, weights, b), {1, length}, hidden, nullptr);
    }
    Matrix<float> logits(length, config.vocab_size);
    ends.logits(hidden, logits);
    for (std::size_t t = 0; t + 1 < length; ++t, ++count) {
      double total = 0;
      for (const float logit : logits.view().row_span(t))
        total += std::exp(static_cast<double>(logit));
      sum += std::log(total) - static_cast<double>(logits(t, tokens[begin + t + 1]));
    }
  }
  return sum / static_cast<double>(count);
}

TEST(CountWindows, DropsTheIncompleteOne) {
  EXPECT_EQ(count_windows(17, {17, 0}), 1u);
  EXPECT_EQ(count_windows(33, {17, 0}), 1u);
  EXPECT_EQ(count_windows(34, {17, 0}), 2u);
  EXPECT_EQ(count_windows(340, {17, 3}), 3u);
  EXPECT_EQ(count_windows(34, {17, 3}), 2u);
}

TEST(CountWindows, RefusesATextShorterThanAWindow) {
  EXPECT_THAT(
      [] {
        count_windows(16, {17, 0});
      },
      ThrowsMessage<InputError>(AllOf(HasSubstr("16 tokens"), HasSubstr("17"))));
  EXPECT_THROW(count_windows(0, {2, 0}), InputError);
}

TEST(CountWindows, RefusesAWindowThatPredictsNothing) {
  EXPECT_THROW(count_windows(100, {1, 0}), InputError);
  EXPECT_THROW(count_windows(100, {0, 0}), InputError);
}

TEST(Perplexity, OfAModelThatKnowsNothingIsTheVocabulary) {
  const auto tokens = random_tokens(40);
  const auto result = score(MadeUpWeights(0), tokens, {17, 0});
  // Equal logits: every token costs log(61), up to the rounding of fp32 logits and fp64 sums.
  EXPECT_NEAR(result.perplexity, 61, 61 * 1e-12);
  EXPECT_EQ(result.num_windows, 2u);
  EXPECT_EQ(result.num_tokens, 32u);
  EXPECT_EQ(result.context_length, 17u);
}

TEST(Perplexity, IsTheMeanOverThePredictedTokensOfEachWindow) {
  const MadeUpWeights weights(0.3);
  for (const std::size_t length : {2, 17, 40}) {
    const auto tokens = random_tokens(83);
    const auto result = score(weights, tokens, {length, 0});
    const double expected = mean_nll_of(weights, tokens, length);
    EXPECT_NEAR(result.mean_nll, expected, 1e-5 * expected)
        << length;  // fp32 logits of a few units
    EXPECT_DOUBLE_EQ(result.perplexity, std::exp(result.mean_nll));
  }
}

TEST(Perplexity, GivesTheSameBitsOnAnyNumberOfThreads) {
  const MadeUpWeights weights(0.3);
  const auto tokens = random_tokens(300);
  const double one = score(weights, tokens, {50, 0}, 1).mean_nll;
  EXPECT_EQ(score(weights, tokens, {50, 0}, 2).mean_nll, one);
  EXPECT_EQ(score(weights, tokens, {50, 0}, 3).mean_nll, one);
}

TEST(Perplexity, Trap18IsPrintedWithItsContextAndTokens) {
  const Perplexity result{20.3631, 3.0137, 40, 81880, 2048};
  EXPECT_EQ(result.to_text(), "20.363 (40 windows of 2048 tokens, 81880 predicted)");
}

}  // namespace
}  // namespace tessera::evaluation
