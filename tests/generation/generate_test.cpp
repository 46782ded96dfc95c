#include "generation/generate.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/random.hpp"
#include "linalg/gemm.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"
#include "tests/support/relative_error.hpp"

namespace tessera::generation {
namespace {

using test::relative_error;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Tokens = std::vector<std::uint32_t>;

Tokens random_tokens(const model::ModelConfig& config, std::size_t count) {
  const CounterRandom random(2, "tokens", "test");
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::uint32_t>(random.below(i, config.vocab_size)));
  }
  return tokens;
}

/// Logits after every token, from one forward pass over the whole sequence.
Matrix<float> whole_logits(const model::ModelConfig& config, const model::TensorSource& source,
                           const Tokens& tokens, const BlockHook& hook = {}) {
  Threads threads(2);
  const forward::EmbeddingAndHead ends(config, source);
  const forward::BlockForward forward(config, tokens.size());
  Matrix<float> hidden(tokens.size(), config.hidden_size), logits(tokens.size(), config.vocab_size);
  ends.embed(tokens, tokens.size(), hidden);
  for (std::size_t b = 0; b < config.num_blocks; ++b) {
    forward::BlockWeights weights = forward::load_block(config, source, b);
    if (hook) hook(b, weights);
    forward.run(threads, weights, {1, tokens.size()}, hidden, nullptr);
  }
  ends.logits(hidden, logits);
  return logits;
}

Generation generated(const model::ModelConfig& config, const Tokens& prompt,
                     const GenerationSettings& settings, std::size_t num_threads = 2,
                     const BlockHook& hook = {}) {
  Threads threads(num_threads);
  SilentLog log;
  return generate(
      threads, log, config, test::random_weights(config, 3), prompt, settings, [](std::uint32_t) {},
      hook);
}

std::vector<model::ModelConfig> families() {
  std::vector<model::ModelConfig> configs(5, test::tiny_config());
  configs[1].sliding_window = 20;
  configs[2].qk_norm = configs[2].tied_embeddings = true;
  configs[3] = test::tiny_phi3_config();
  configs[4] = test::tiny_opt_config();
  return configs;
}

TEST(Decoder, LogitsOfEveryTokenAreThoseOfTheWholeSequence) {
  for (model::ModelConfig config : families()) {
    config.vocab_size = 700;  // more than a panel
    const auto source = test::random_weights(config, 3);
    const Tokens tokens = random_tokens(config, 290);
    const Matrix<float> expected = whole_logits(config, source, tokens);
    for (const std::size_t prompt : {1, 64, 270}) {
      Threads threads(2);
      SilentLog log;
      Decoder decoder(log, config, source, tokens.size(), {});
      for (std::size_t end = prompt; end <= tokens.size(); ++end) {
        const auto logits = decoder.append(
            threads, std::span(tokens).subspan(decoder.length(), end - decoder.length()));
        // Two blocks that are each within 2e-5 (forward/extend), the norm and the head.
        ASSERT_LT(relative_error(logits, expected.view().row_span(end - 1)), 5e-5)
            << config.architecture << ", token " << end - 1 << ", prompt of " << prompt;
      }
    }
  }
}

TEST(Decoder, AppendsWhatFits) {
  Threads threads(1);
  SilentLog log;
  const model::ModelConfig config = test::tiny_opt_config();
  const auto source = test::random_weights(config, 3);
  Decoder decoder(log, config, source, 3, {});
  EXPECT_THROW(decoder.append(threads, {}), Bug);
  decoder.append(threads, Tokens{1, 2, 3});
  EXPECT_THROW(decoder.append(threads, Tokens{1}), Bug);
  EXPECT_THROW(Decoder(log, config, source, config.max_positions + 1, {}), InputError);
}

TEST(Generate, GreedyTokensAreThoseOfTheWholeSequenceEachTime) {
  for (const model::ModelConfig& config : families()) {
    const auto source = test::random_weights(config, 3);
    Tokens sequence = random_tokens(config, 30);
    const Generation found = generated(config, sequence, {15, {}, {}});
    ASSERT_EQ(found.tokens.size(), 15u);
    EXPECT_EQ(found.stop, StopReason::max_tokens);
    for (const std::uint32_t token : found.tokens) {
      const Matrix<float> logits = whole_logits(config, source, sequence);
      const auto last = logits.view().row_span(sequence.size() - 1);
      EXPECT_EQ(token, std::ranges::max_element(last) - last.begin()) << config.architecture;
      sequence.push_back(token);
    }
  }
}

TEST(Generate, TokensDependOnTheSeedAndNotOnTheThreads) {
  model::ModelConfig config = test::tiny_config();
  config.intermediate_size = 200;
  const Tokens prompt = random_tokens(config, 70);
  const GenerationSettings settings{40, {1.5, 30, 0.9, 5}, {}};
  const Generation one = generated(config, prompt, settings, 1);
  EXPECT_EQ(generated(config, prompt, settings, 2).tokens, one.tokens);
  EXPECT_EQ(generated(config, prompt, settings, 3).tokens, one.tokens);
  EXPECT_NE(generated(config, prompt, {40, {1.5, 30, 0.9, 6}, {}}).tokens, one.tokens);
}

TEST(Generate, StopsAtAnEndTokenWhichIsNoPartOfTheText) {
  const model::ModelConfig config = test::tiny_config();
  const Tokens prompt = random_tokens(config, 5);
  GenerationSettings settings{12, {1, 0, 1, 4}, {}};
  const Tokens free = generated(config, prompt, settings).tokens;
  const std::uint32_t end = free[7];
  const auto first = std::ranges::find(free, end);
  settings.end_tokens = {static_cast<std::uint32_t>(config.vocab_size),
                         end};  // of several, some may never come
  const Generation found = generated(config, prompt, settings);
  EXPECT_EQ(found.stop, StopReason::end_token);
  EXPECT_EQ(found.tokens, Tokens(free.begin(), first));
}

TEST(Generate, NoneAndOneToken) {
  const model::ModelConfig config = test::tiny_config();
  const Generation none = generated(config, {4}, {0, {}, {}}),
                   one = generated(config, {4}, {1, {}, {}});
  EXPECT_TRUE(none.tokens.empty());
  EXPECT_EQ(none.stop, StopReason::max_tokens);
  EXPECT_EQ(one.tokens.size(), 1u);
  EXPECT_EQ(one.num_decoded, 0u);
  EXPECT_EQ(one.num_prompt_tokens, 1u);
}

TEST(Generate, EndsWithTheModelsLastPosition) {
  for (model::ModelConfig config : families()) {
    config.max_positions = 12;
    const Generation found = generated(config, random_tokens(config, 9), {100, {}, {}});
    EXPECT_EQ(found.tokens.size(), 3u);
    EXPECT_EQ(found.stop, StopReason::max_positions);
    EXPECT_EQ(generated(config, random_tokens(config, 9), {3, {}, {}}).stop,
              StopReason::max_tokens);
    EXPECT_THAT(
        [&] {
          generated(config, random_tokens(config, 12), {1, {}, {}});
        },
        ThrowsMessage<InputError>(
            AllOf(HasSubstr("12 tokens"), HasSubstr("12 positions"), HasSubstr("at most 11"))));
  }
}

TEST(Generate, RefusesAnEmptyPromptAndTokensThatAreNone) {
  const model::ModelConfig config = test::tiny_config();
  EXPECT_THAT([&] { generated(config, {}, {}); },
              ThrowsMessage<InputError>(HasSubstr("the prompt has no tokens")));
  EXPECT_THAT(
      [&] {
        generated(config, {1, 99}, {});
      },
      ThrowsMessage<InputError>(HasSubstr("token 99 at position 1")));
  EXPECT_THROW(generated(config, {1}, {0, {-1, 0, 1, 0}, {}}), InputError);
}

struct KeepAll final : forward::InputSelection {
  void keep(std::span<const float> x, std::size_t, std::span<float> kept) const override {
    std::ranges::copy(x, kept.begin());
  }
};

struct Dense final : forward::ResidualProduct {
  Matrix<float> residual;
  void add(MatrixView<const float> kept, MatrixView<float> y) const override {
    linalg::gemm(1, kept, linalg::Transposed::no, residual, linalg::Transposed::yes, 1, y);
  }
};

TEST(Generate, TheHookAddsToEachBlock) {
  const model::ModelConfig config = test::tiny_config();
  std::vector<std::size_t> blocks;
  const BlockHook hook = [&](std::size_t block, forward::BlockWeights& weights) {
    blocks.push_back(block);
    const auto residual = std::make_shared<Dense>();
    residual->residual = test::random_matrix(config.hidden_size, config.intermediate_size, block);
    weights.compensation[static_cast<std::size_t>(model::LinearRole::down)] = {
        std::make_shared<KeepAll>(), residual};
  };
  Tokens sequence = random_tokens(config, 8);
  const Tokens found = generated(config, sequence, {10, {}, {}}, 2, hook).tokens;
  EXPECT_THAT(blocks, testing::ElementsAre(0, 1));
  EXPECT_NE(found, generated(config, sequence, {10, {}, {}}).tokens);
  const auto source = test::random_weights(config, 3);
  for (const std::uint32_t token : found) {
    const Matrix<float> logits = whole_logits(config, source, sequence, hook);
    const auto last = logits.view().row_span(sequence.size() - 1);
    EXPECT_EQ(token, std::ranges::max_element(last) - last.begin());
    sequence.push_back(token);
  }
}

}  // namespace
}  // namespace tessera::generation
