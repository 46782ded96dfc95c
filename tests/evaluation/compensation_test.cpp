#include "evaluation/compensation.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "evaluation/perplexity.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "residual/residual_solver.hpp"
#include "tests/support/in_memory_source.hpp"

namespace tessera::evaluation {
namespace {

using test::InMemorySource;
using testing::HasSubstr;
using testing::ThrowsMessage;

class InMemoryResiduals final : public residual::ResidualSource {
 public:
  std::map<std::string, residual::ResidualLayer, std::less<>> layers;
  std::uint64_t bits() const override { return 4; }
  bool contains(std::string_view layer) const override { return layers.contains(layer); }
  residual::ResidualLayer read(std::string_view layer) const override {
    const residual::ResidualLayer& found = layers.find(layer)->second;
    residual::ResidualLayer copy;
    copy.out_features = found.out_features;
    copy.in_features = found.in_features;
    copy.bits = found.bits;
    copy.codes = found.codes.copy();
    copy.scale = found.scale;
    copy.top_magnitude = found.top_magnitude;
    copy.column_norm = found.column_norm;
    copy.static_order = found.static_order;
    return copy;
  }
};

/// A model, the model rounded to halves of its weights' size, and what that lost.
class Compensated : public testing::Test {
 protected:
  void make(const model::ModelConfig& config) {
    config_ = config;
    original_ = test::random_weights(config, 1);
    rounded_ = original_;
    mended_ = original_;
    for (std::size_t block = 0; block < config.num_blocks; ++block) {
      for (const auto& layer : model::linear_layers(config, block)) round(layer);
    }
    for (std::size_t i = 0; i < 3 * 20; ++i) {
      tokens_.push_back(static_cast<std::uint32_t>((i * i * 7 + 3) % config.vocab_size));
    }
  }

  void round(const model::LinearLayer& layer) {
    auto& values = rounded_.tensors.at(layer.name + ".weight").values;
    const float step = 1.0F / std::sqrt(static_cast<float>(layer.in_features));
    for (float& value : values) value = step * std::round(value / step);
    const MatrixView<const float> weight(original_.tensors.at(layer.name + ".weight").values.data(),
                                         layer.out_features, layer.in_features);
    auto made = residual::solve_residual(
        threads_, weight, {values.data(), layer.out_features, layer.in_features}, {}, 4);
    made.top_magnitude.assign(layer.in_features, 1.0F);
    made.static_order.resize(layer.in_features);
    std::iota(made.static_order.begin(), made.static_order.end(), 0U);
    const Matrix<float> decoded = residual::dequantize(made);
    auto& mended = mended_.tensors.at(layer.name + ".weight").values;
    for (std::size_t k = 0; k < mended.size(); ++k) mended[k] = values[k] + decoded.data()[k];
    residuals_.layers[layer.name] = std::move(made);
  }

  std::vector<double> losses(const InMemorySource& weights,
                             const Compensator* compensator = nullptr,
                             PerplexitySettings settings = {20}, std::size_t num_threads = 2) {
    Threads threads(num_threads);
    SilentLog log;
    const std::vector<std::size_t> windows = {0, 1, 2};
    return window_losses(threads, log, {config_, weights, "", compensator}, tokens_, settings,
                         windows);
  }
  std::vector<double> compensated(const CompensationSettings& settings,
                                  ResidualForm form = ResidualForm::dense) {
    const Compensator compensator(residuals_, settings, form);
    return losses(rounded_, &compensator);
  }
  static CompensationSettings at(std::uint64_t k_chunk) {
    CompensationSettings settings;
    settings.k_chunk = k_chunk;
    return settings;
  }
  static void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-5 * b[i]) << i;
  }

  Threads threads_{1};
  model::ModelConfig config_;
  InMemorySource original_, rounded_, mended_;
  InMemoryResiduals residuals_;
  std::vector<std::uint32_t> tokens_;
};

TEST_F(Compensated, OfNoChannelsIsThePackedModelToTheBit) {
  make(test::tiny_config());
  EXPECT_EQ(compensated(at(0)), losses(rounded_));
}

// All channels: the same products as with the decoded residual added to the weights.
TEST_F(Compensated, OfAllChannelsIsTheMendedModel) {
  for (const auto& config : {test::tiny_config(), test::tiny_opt_config(), test::tiny_phi3_config(),
                             test::tiny_mixture_config("MixtralForCausalLM"),
                             test::tiny_mixture_config("Qwen2MoeForCausalLM")}) {
    make(config);
    expect_near(compensated(at(1024)), losses(mended_));
    expect_near(compensated(at(1024), ResidualForm::fetched), losses(mended_));
    EXPECT_NE(losses(rounded_), losses(mended_));
    tokens_.clear();
    residuals_.layers.clear();
  }
}

TEST_F(Compensated, FetchedAndDenseAgreeAndThreadsChangeNothing) {
  make(test::tiny_config());
  expect_near(compensated(at(300), ResidualForm::fetched), compensated(at(300)));
  const Compensator compensator(residuals_, at(300));
  const auto one = losses(rounded_, &compensator, {20}, 1);
  EXPECT_EQ(losses(rounded_, &compensator, {20}, 3), one);
}

// Tokens are causal: what stands before the first compensated position cannot change.
TEST_F(Compensated, LeavesThePromptAsItIs) {
  make(test::tiny_config());
  CompensationSettings settings = at(1024);
  settings.first_position = 12;
  const Compensator compensator(residuals_, settings);
  PerplexitySettings behind{20};
  behind.first_token = 13;
  const auto whole = losses(rounded_, &compensator), plain = losses(rounded_);
  const auto behind_prompt = losses(rounded_, &compensator, behind);
  const auto plain_behind = losses(rounded_, nullptr, behind);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const double before = whole[i] - behind_prompt[i];
    // Logits are fp32 products, cut into other tiles where fewer tokens are scored.
    EXPECT_NEAR(before, plain[i] - plain_behind[i], 1e-7 * whole[i]) << "tokens 1 to 12";
    EXPECT_GT(std::fabs(behind_prompt[i] - plain_behind[i]), 1e-3) << "tokens 13 to 19";
  }
}

// As deployed: the prompt goes through the packed model, and what is decoded behind it attends to
// the keys and values that this left. All channels compensated are the mended weights.
TEST_F(Compensated, DecodesBehindThePromptsUncompensatedKeysAndValues) {
  constexpr std::size_t kLength = 20, kPrompt = 12;
  for (const auto& config :
       {test::tiny_config(), test::tiny_mixture_config("Qwen3MoeForCausalLM")}) {
    tokens_.clear();
    residuals_.layers.clear();
    make(config);
    const forward::BlockForward forward(config_, kLength);
    const forward::EmbeddingAndHead ends(config_, rounded_);
    std::vector<double> expected, as_if_all;
    for (const bool has_plain_prompt : {true, false}) {
      for (std::size_t window = 0; window < 3; ++window) {
        const auto tokens = std::span(tokens_).subspan(window * kLength, kLength);
        Matrix<float> hidden(kLength, config_.hidden_size);
        ends.embed(tokens, kLength, hidden);
        for (std::size_t block = 0; block < config_.num_blocks; ++block) {
          forward::KeyValueCache cache(config_, kLength);
          const auto& of_prompt = has_plain_prompt ? rounded_ : mended_;
          forward.extend(threads_, forward::load_block(config_, of_prompt, block), 0,
                         hidden.view().middle_rows(0, kPrompt), cache);
          forward.extend(threads_, forward::load_block(config_, mended_, block), kPrompt,
                         hidden.view().middle_rows(kPrompt, kLength - kPrompt), cache);
        }
        const auto of_tokens = ends.negative_log_likelihood(
            threads_, hidden.view().middle_rows(kPrompt, kLength - kPrompt - 1),
            tokens.subspan(kPrompt + 1));
        (has_plain_prompt ? expected : as_if_all)
            .push_back(std::accumulate(of_tokens.begin(), of_tokens.end(), 0.0));
      }
    }
    CompensationSettings settings = at(1024);
    settings.first_position = kPrompt;
    const Compensator compensator(residuals_, settings);
    PerplexitySettings behind{kLength};
    behind.first_token = kPrompt + 1;
    expect_near(losses(rounded_, &compensator, behind), expected);
    EXPECT_GT(std::fabs(expected[0] - as_if_all[0]), 1e-3 * expected[0])
        << "a compensated prompt would be told apart";
  }
}

// Half of the experts see a token: of 4 x (gate and up of 37, down of 20 outputs) two, and what
// every token passes.
TEST_F(Compensated, CountsATokensShareOfTheExperts) {
  const model::ModelConfig config = test::tiny_mixture_config("MixtralForCausalLM");
  make(config);
  std::uint64_t of_all = 0, of_experts = 0;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const auto& layer : model::linear_layers(config, block)) {
      const std::uint64_t codes = layer.in_features * ((layer.out_features + 1) / 2);
      (layer.expert ? of_experts : of_all) += codes + 2 * layer.out_features;
    }
  }
  EXPECT_EQ(Compensator(residuals_, at(1024)).bytes_per_token(config_),
            of_all + of_experts * config.experts_per_token / config.num_experts);
}

// 20 inputs: 20 * 52 / 1024 = 1 channel; of 24: 1; of 37: 1.
TEST_F(Compensated, CountsBytesAndRecall) {
  make(test::tiny_config());
  const Compensator compensator(residuals_, at(52));
  // q: 24 outputs, 12 bytes + 48 of scales; k, v: 12, 6 + 24; o: 20, 10 + 40; gate, up: 37, 19 +
  // 74; down: 20, 10 + 40.
  EXPECT_EQ(compensator.bytes_per_token(config_), 2U * (60 + 30 + 30 + 50 + 93 + 93 + 50));
  losses(rounded_, &compensator);
  EXPECT_EQ(compensator.count().recall(), 1.0) << "one chunk: exact is global";

  CompensationSettings by_layer;
  by_layer.k_chunk_of["model.layers.1.mlp.down_proj"] = 52;
  EXPECT_EQ(Compensator(residuals_, by_layer).bytes_per_token(config_), 50U);
}

TEST_F(Compensated, RefusesAResidualOfAnotherShape) {
  make(test::tiny_config());
  residuals_.layers["model.layers.1.self_attn.o_proj"].out_features = 19;
  EXPECT_THAT([&] { compensated(at(512)); },
              ThrowsMessage<InputError>(HasSubstr("o_proj: the residual is 19 x 24 (the layer is "
                                                  "20 x 24)")));
}

}  // namespace
}  // namespace tessera::evaluation
