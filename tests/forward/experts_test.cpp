#include "forward/experts.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "forward/block.hpp"
#include "linalg/gemm.hpp"
#include "tests/forward/same_bits.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"
#include "tests/support/relative_error.hpp"

namespace tessera::forward {
namespace {

using test::random_matrix;
using test::random_weights;
using test::relative_error;
using test::tiny_mixture_config;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const char* const kFamilies[] = {"MixtralForCausalLM", "Qwen2MoeForCausalLM",
                                 "Qwen3MoeForCausalLM"};

/// What each expert read, and whose it was.
struct Recorder final : InputListener {
  struct Heard {
    Matrix<float> x;
    std::vector<std::size_t> tokens;
  };
  std::map<model::InputKey, Heard> heard;
  std::vector<model::InputKey> order;

  void on_input(model::InputRole role, MatrixView<const float> x) override { keep(role, x, {}); }
  void on_expert_input(const model::InputKey& key, MatrixView<const float> x,
                       std::span<const std::size_t> tokens) override {
    keep(key, x, {tokens.begin(), tokens.end()});
  }
  void keep(const model::InputKey& key, MatrixView<const float> x,
            std::vector<std::size_t> tokens) {
    Matrix<float> copy(x.rows, x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) std::ranges::copy(x.row_span(i), copy.row(i));
    EXPECT_TRUE(heard.emplace(key, Heard{std::move(copy), std::move(tokens)}).second);
    order.push_back(key);
  }
};

void set_router(test::InMemorySource& source, const std::string& name,
                const std::vector<std::vector<float>>& rows) {
  auto& values = source.tensors.at(name).values;
  values.clear();
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
}

TEST(Experts, AreChosenByTheSoftmax) {
  const float ln2 = std::log(2.0F), ln3 = std::log(3.0F);
  const std::vector<float> logits = {ln2, 0, ln3, ln2};  // shares 2/8, 1/8, 3/8, 2/8
  Choice choice = choose_experts(logits, 2, false);
  EXPECT_THAT(choice.experts, ElementsAre(0, 2));  // of two equal ones the lower
  EXPECT_THAT(choice.weights, ElementsAre(testing::FloatEq(2.0F / 8), testing::FloatEq(3.0F / 8)));
  choice = choose_experts(logits, 2, true);
  EXPECT_THAT(choice.weights, ElementsAre(testing::FloatEq(2.0F / 5), testing::FloatEq(3.0F / 5)));
  choice = choose_experts(logits, 4, false);
  EXPECT_THAT(choice.experts, ElementsAre(0, 1, 2, 3));
  choice = choose_experts(std::vector<float>{-5}, 1, false);
  EXPECT_THAT(choice.weights, ElementsAre(1.0F));
  choice = choose_experts(std::vector<float>{3000, -3000, 3000}, 2, true);  // beyond exp
  EXPECT_THAT(choice.experts, ElementsAre(0, 2));
  EXPECT_THAT(choice.weights, ElementsAre(0.5F, 0.5F));
}

TEST(Experts, ABlockAgreesWithTheReferenceInEveryFamilyAndLength) {
  Threads threads(2);
  struct Extent {
    std::size_t num_experts, per_token;
  };
  for (const char* family : kFamilies) {
    for (const Extent extent : {Extent{5, 2}, {1, 1}, {4, 4}, {6, 1}}) {
      for (const bool normalizes : {false, true}) {
        model::ModelConfig config = tiny_mixture_config(family);
        config.num_experts = extent.num_experts;
        config.experts_per_token = extent.per_token;
        config.normalizes_expert_weights = normalizes;
        const auto source = random_weights(config, 3);
        const BlockWeights weights = load_block(config, source, 1);
        const BlockForward forward(config, 300);
        for (const BatchShape shape : {BatchShape{1, 1}, {3, 2}, {2, 129}, {1, 300}}) {
          Matrix<float> hidden =
              random_matrix(shape.num_tokens(), config.hidden_size, shape.length);
          Matrix<float> expected = hidden.copy();
          forward.run(threads, weights, shape, hidden, nullptr);
          block_reference(config, source, 1, shape, expected);
          // As of blocks with a plain MLP (block_test.cpp); softmax and sigmoid are smooth.
          EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-5)
              << family << ", " << extent.per_token << " of " << extent.num_experts << ", "
              << shape.num_sequences << " of " << shape.length;
        }
      }
    }
  }
}

TEST(Experts, ASequenceHasTheSameBitsInAnyBatchOnAnyNumberOfThreads) {
  Recorder recorder;
  expect_same_bits_in_any_batch(tiny_mixture_config("Qwen2MoeForCausalLM"), &recorder);
  EXPECT_FALSE(recorder.heard.empty());
}

TEST(Experts, TheListenerHearsWhatEachExpertReads) {
  using model::InputRole;
  Threads threads(2);
  for (const char* family : kFamilies) {
    const model::ModelConfig config = tiny_mixture_config(family);
    const BlockWeights weights = load_block(config, random_weights(config, 3), 0);
    const BlockForward forward(config, 300);
    Matrix<float> large = random_matrix(600, config.hidden_size, 2);
    forward.run(threads, weights, {2, 300}, large, nullptr);  // leaves scratch larger than below
    Matrix<float> hidden = random_matrix(14, config.hidden_size, 1);
    Recorder recorder;
    forward.run(threads, weights, {2, 7}, hidden, &recorder);
    const bool has_shared = config.intermediate_size > 0;
    EXPECT_EQ(recorder.heard.contains(InputRole::mlp_hidden), has_shared);
    const Matrix<float>& all = recorder.heard.at(InputRole::mlp_input).x;
    ASSERT_EQ(all.rows(), 14u);
    std::vector<std::size_t> num_experts(14);
    for (const auto& [key, heard] : recorder.heard) {
      if (!key.expert) continue;
      EXPECT_TRUE(std::ranges::is_sorted(heard.tokens));
      ASSERT_EQ(heard.x.rows(), heard.tokens.size());
      ASSERT_EQ(heard.x.cols(), model::channels_of(config, key));
      if (key.role != InputRole::mlp_input) continue;
      const Recorder::Heard& inner = recorder.heard.at({InputRole::mlp_hidden, key.expert});
      EXPECT_EQ(inner.tokens, heard.tokens);
      const ExpertWeights& expert = weights.mixture.experts[*key.expert];
      Matrix<float> gate(heard.x.rows(), 13), up(heard.x.rows(), 13);
      expert.gate.multiply(heard.x, gate);
      expert.up.multiply(heard.x, up);
      for (std::size_t i = 0; i < heard.tokens.size(); ++i) {
        ++num_experts[heard.tokens[i]];
        EXPECT_EQ(std::memcmp(heard.x.row(i), all.row(heard.tokens[i]), 20 * sizeof(float)), 0);
        for (std::size_t j = 0; j < 13; ++j) {
          const float g = gate(i, j);
          EXPECT_NEAR(inner.x(i, j), g / (1 + std::exp(-g)) * up(i, j), 1e-5);
        }
      }
    }
    EXPECT_THAT(num_experts, testing::Each(2));
  }
}

struct KeepAll final : InputSelection {
  void keep(std::span<const float> x, std::size_t, std::span<float> kept) const override {
    std::ranges::copy(x, kept.begin());
  }
};
struct Difference final : ResidualProduct {
  Difference(const model::TensorSource& from, const model::TensorSource& to,
             const model::LinearLayer& layer)
      : residual(to.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features)) {
    const auto less =
        from.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features);
    for (std::size_t k = 0; k < residual.size(); ++k) residual.data()[k] -= less.data()[k];
  }
  void add(MatrixView<const float> kept, MatrixView<float> y) const override {
    linalg::gemm_reference(1, kept, linalg::Transposed::no, residual, linalg::Transposed::yes, 1,
                           y);
  }
  Matrix<float> residual;
};

// What one model's experts lack of another's, added to all channels, makes them the other's.
TEST(Experts, CompensatedInAllChannelsAreTheOnesTheResidualsWereTakenFrom) {
  Threads threads(2);
  for (const char* family : kFamilies) {
    const model::ModelConfig config = tiny_mixture_config(family);
    const auto packed = random_weights(config, 3);
    auto original = random_weights(config, 3);
    const auto changed = random_weights(config, 8);
    BlockWeights weights = load_block(config, packed, 1);
    const auto all = std::make_shared<KeepAll>();
    for (std::size_t e = 0; e < config.num_experts; ++e) {
      for (const auto role :
           {model::LinearRole::gate, model::LinearRole::up, model::LinearRole::down}) {
        const auto layer = model::expert_layer(config, 1, e, role);
        const std::string name = layer.name + ".weight";
        original.tensors.at(name).values = changed.tensors.at(name).values;
        // Layers that choose alike share a selection, others have their own.
        weights.mixture.experts[e].compensation_of(role) = {
            e % 2 == 0 ? all : std::make_shared<KeepAll>(),
            std::make_shared<Difference>(packed, original, layer)};
      }
    }
    Matrix<float> hidden = random_matrix(2 * 129, config.hidden_size, 4);
    Matrix<float> expected = hidden.copy(), without = hidden.copy();
    BlockForward(config, 129).run(threads, weights, {2, 129}, hidden, nullptr);
    block_reference(config, original, 1, {2, 129}, expected);
    block_reference(config, packed, 1, {2, 129}, without);
    EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-5) << family;
    EXPECT_GT(relative_error(without.span(), expected.span()), 1e-3) << family;
  }
}

TEST(Experts, OneWithoutTokensIsNotHeardAndChangesNothing) {
  Threads threads(2);
  model::ModelConfig config = tiny_mixture_config("MixtralForCausalLM");
  config.num_experts = 3;
  config.experts_per_token = 1;
  auto source = random_weights(config, 3);
  // Opposite rows, and zeros between them: the second expert is never ahead of both.
  std::vector<float> row(20), opposite(20);
  for (std::size_t j = 0; j < 20; ++j) {
    row[j] = static_cast<float>(j) - 9.5F;
    opposite[j] = -row[j];
  }
  set_router(source, "model.layers.0.block_sparse_moe.gate.weight",
             {row, std::vector<float>(20), opposite});
  const Matrix<float> before = random_matrix(60, config.hidden_size, 1);
  Matrix<float> hidden = before.copy(), expected = before.copy(), other = before.copy();
  Recorder recorder;
  BlockForward(config, 30).run(threads, load_block(config, source, 0), {2, 30}, hidden, &recorder);
  std::set<std::size_t> heard;
  for (const auto& key : recorder.order) {
    if (key.expert) heard.insert(*key.expert);
  }
  EXPECT_THAT(heard, ElementsAre(0, 2));
  block_reference(config, source, 0, {2, 30}, expected);
  EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-5);
  for (float& value :
       source.tensors.at("model.layers.0.block_sparse_moe.experts.1.w2.weight").values) {
    value *= 7;
  }
  BlockForward(config, 30).run(threads, load_block(config, source, 0), {2, 30}, other, nullptr);
  EXPECT_EQ(std::memcmp(hidden.data(), other.data(), hidden.size() * sizeof(float)), 0);
}

TEST(Experts, ARouterOfZerosSendsEveryTokenToTheLowest) {
  Threads threads(1);
  const model::ModelConfig config = tiny_mixture_config("Qwen3MoeForCausalLM");
  auto source = random_weights(config, 3);
  set_router(source, "model.layers.0.mlp.gate.weight", {std::vector<float>(100)});
  Matrix<float> hidden = random_matrix(9, config.hidden_size, 1);
  Recorder recorder;
  BlockForward(config, 9).run(threads, load_block(config, source, 0), {1, 9}, hidden, &recorder);
  for (const auto& [key, heard] : recorder.heard) {
    if (!key.expert) continue;
    EXPECT_LT(*key.expert, 2u);
    EXPECT_EQ(heard.tokens.size(), 9u);
  }
}

TEST(Experts, InputsAreRoundedAsThePackedModelSays) {
  Threads threads(2);
  const model::ModelConfig config = tiny_mixture_config("Qwen2MoeForCausalLM");
  auto source = random_weights(config, 3);
  for (const model::LinearLayer& layer : model::linear_layers(config, 0)) {
    if (layer.expert) {
      source.input_quantizations[layer.name] =
          *layer.expert == 2 ? InputQuantization{false, 0.03F, -9, 0} : InputQuantization{};
    }
  }
  const Matrix<float> before = random_matrix(60, config.hidden_size, 1);
  Matrix<float> hidden = before.copy(), expected = before.copy(), plain = before.copy();
  BlockForward(config, 30).run(threads, load_block(config, source, 0), {2, 30}, hidden, nullptr);
  block_reference(config, source, 0, {2, 30}, expected);
  block_reference(config, random_weights(config, 3), 0, {2, 30}, plain);
  // As in block_test.cpp: an input near half a step may round the other way.
  EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-3);
  EXPECT_GT(relative_error(hidden.span(), plain.span()), 2e-3);

  source.input_quantizations["model.layers.0.mlp.experts.3.up_proj"].levels = 100;
  EXPECT_THAT([&] { load_block(config, source, 0); },
              ThrowsMessage<InputError>(HasSubstr("mlp.experts.3.gate_proj and")));
}

TEST(Experts, LoadingNamesTheTensorThatIsMissingOrDamaged) {
  const model::ModelConfig config = tiny_mixture_config("Qwen2MoeForCausalLM");
  auto source = random_weights(config, 3);
  source.tensors.at("model.layers.0.mlp.shared_expert_gate.weight").values[2] = NAN;
  EXPECT_THAT([&] { load_block(config, source, 0); },
              ThrowsMessage<InputError>(HasSubstr("mlp.shared_expert_gate.weight")));
  source.tensors.erase("model.layers.1.mlp.experts.4.down_proj.weight");
  EXPECT_THAT([&] { load_block(config, source, 1); },
              ThrowsMessage<InputError>(HasSubstr("layers.1.mlp.experts.4.down_proj.weight")));
}

}  // namespace
}  // namespace tessera::forward
