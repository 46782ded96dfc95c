#include "forward/block.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "linalg/quantize_rows.hpp"
#include "linalg/vector_math.hpp"
#include "tests/forward/same_bits.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"
#include "tests/support/relative_error.hpp"

namespace tessera::forward {
namespace {

using test::random_matrix;
using test::random_weights;
using test::relative_error;
using test::tiny_config;

struct Variant {
  const char* name;
  void (*change)(model::ModelConfig&);
};

const Variant kVariants[] = {
    {"plain", [](model::ModelConfig&) {}},
    {"one head", [](model::ModelConfig& c) { c.num_heads = c.num_kv_heads = 1; }},
    {"as many key-value heads", [](model::ModelConfig& c) { c.num_kv_heads = c.num_heads; }},
    {"head of 2", [](model::ModelConfig& c) { c.head_dim = 2; }},
    {"head of 40", [](model::ModelConfig& c) { c.head_dim = 40; }},
    {"biases", [](model::ModelConfig& c) { c.qkv_bias = c.o_bias = c.mlp_bias = true; }},
    {"q and k norms", [](model::ModelConfig& c) { c.qk_norm = true; }},
    {"window of 1", [](model::ModelConfig& c) { c.sliding_window = 1; }},
    {"window of 100", [](model::ModelConfig& c) { c.sliding_window = 100; }},
    {"window of 300", [](model::ModelConfig& c) { c.sliding_window = 300; }},
    {"linear scaling",
     [](model::ModelConfig& c) {
       c.rope_scaling.kind = model::RopeScaling::Kind::linear;
       c.rope_scaling.factor = 4;
     }},
    {"llama3 scaling",
     [](model::ModelConfig& c) {
       c.head_dim = 16;
       c.rope_scaling = {model::RopeScaling::Kind::llama3, 8, 1, 4, 64};
     }},
    {"phi3", [](model::ModelConfig& c) { c = test::tiny_phi3_config(); }},
    {"phi3, heads of 10, window of 100",
     [](model::ModelConfig& c) {
       c = test::tiny_phi3_config();
       c.head_dim = 10;
       c.sliding_window = 100;
     }},
    {"phi3, heads of 80, no sharing",
     [](model::ModelConfig& c) {
       c = test::tiny_phi3_config();
       c.head_dim = 80;
       c.num_kv_heads = c.num_heads;
     }},
    {"opt", [](model::ModelConfig& c) { c = test::tiny_opt_config(); }},
    {"opt, one head of 80",
     [](model::ModelConfig& c) {
       c = test::tiny_opt_config();
       c.num_heads = c.num_kv_heads = 1;
       c.hidden_size = c.head_dim = 80;
     }},
    {"opt, heads of 5",
     [](model::ModelConfig& c) {
       c = test::tiny_opt_config();
       c.num_heads = c.num_kv_heads = 4;
       c.head_dim = 5;
     }},
};

TEST(Block, AgreesWithTheReferenceInEveryVariantAndLength) {
  Threads threads(2);
  for (const Variant& variant : kVariants) {
    model::ModelConfig config = tiny_config();
    variant.change(config);
    const auto source = random_weights(config, 3);
    const BlockWeights weights = load_block(config, source, 1);
    const BlockForward forward(config, 300);
    for (const BatchShape shape :
         {BatchShape{1, 1}, {3, 2}, {2, 129}, {1, 255}, {1, 257}, {1, 300}}) {
      Matrix<float> hidden = random_matrix(shape.num_tokens(), config.hidden_size, shape.length);
      Matrix<float> expected = hidden.copy();
      forward.run(threads, weights, shape, hidden, nullptr);
      block_reference(config, source, 1, shape, expected);
      // Seven products of up to 64 fp32 terms, and angles up to 300 rounded to fp32 (300 * 6e-8).
      EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-5)
          << variant.name << ", " << shape.num_sequences << " of " << shape.length;
    }
  }
}

TEST(Block, ScoresThatOverflowExpAreNoTrouble) {
  Threads threads(1);
  const model::ModelConfig config = tiny_config();
  auto source = random_weights(config, 3);
  for (float& value : source.tensors["model.layers.0.self_attn.q_proj.weight"].values) value *= 500;
  const BlockWeights weights = load_block(config, source, 0);
  Matrix<float> hidden = random_matrix(200, config.hidden_size, 1);
  BlockForward(config, 200).run(threads, weights, {1, 200}, hidden, nullptr);
  for (const float value : hidden.span()) ASSERT_TRUE(std::isfinite(value));
}

TEST(Block, ASequenceHasTheSameBitsInAnyBatchOnAnyNumberOfThreads) {
  model::ModelConfig config = tiny_config();
  config.head_dim = 10;
  expect_same_bits_in_any_batch(config, nullptr);
}

/// Keeps a copy of everything it hears.
struct Recorder final : InputListener {
  std::vector<model::InputRole> roles;
  std::vector<Matrix<float>> inputs;
  void on_input(model::InputRole role, MatrixView<const float> x) override {
    roles.push_back(role);
    inputs.emplace_back(x.rows, x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) {
      std::copy(x.row(i), x.row(i) + x.cols, inputs.back().row(i));
    }
  }
};

TEST(Block, TheListenerHearsEachInputOnce) {
  using model::InputRole;
  Threads threads(2);
  const model::ModelConfig config = tiny_config();
  const auto source = random_weights(config, 3);
  const BlockWeights weights = load_block(config, source, 0);
  const BatchShape shape{2, 5};
  const BlockForward forward(config, 300);
  Matrix<float> large = random_matrix(600, config.hidden_size, 2);
  forward.run(threads, weights, {2, 300}, large,
              nullptr);  // leaves scratch larger than the batch below
  Matrix<float> hidden = random_matrix(shape.num_tokens(), config.hidden_size, 1);
  const Matrix<float> before = hidden.copy();
  Recorder recorder;
  forward.run(threads, weights, shape, hidden, &recorder);
  EXPECT_THAT(recorder.roles,
              ::testing::ElementsAre(InputRole::attention_input, InputRole::attention_output,
                                     InputRole::mlp_input, InputRole::mlp_hidden));
  EXPECT_EQ(recorder.inputs[1].cols(), config.q_size());
  EXPECT_EQ(recorder.inputs[3].cols(), config.intermediate_size);
  for (const auto& input : recorder.inputs) EXPECT_EQ(input.rows(), shape.num_tokens());

  // The block from its inputs: x + O(attention output) + down(mlp hidden).
  Matrix<float> expected = before.copy();
  weights.weight(model::LinearRole::o)
      .multiply(recorder.inputs[1], expected, linalg::Accumulate::yes);
  weights.weight(model::LinearRole::down)
      .multiply(recorder.inputs[3], expected, linalg::Accumulate::yes);
  EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-6);
  for (std::size_t i = 0; i < before.rows(); ++i) {  // attention input: the normed hidden states
    double squares = 0;
    for (std::size_t j = 0; j < before.cols(); ++j) squares += std::pow(double{before(i, j)}, 2);
    const double size = std::sqrt(squares / 20 + config.norm_epsilon);
    EXPECT_NEAR(recorder.inputs[0](i, 7),
                double{before(i, 7)} / size * double{weights.attention_norm.weight[7]}, 1e-5);
  }
}

/// Every layer's input quantized: dynamically, but for what the MLP reads.
test::InMemorySource quantized_inputs(const model::ModelConfig& config) {
  test::InMemorySource source = random_weights(config, 3);
  for (const model::LinearLayer& layer : model::linear_layers(config, 0)) {
    source.input_quantizations[layer.name] = layer.input() == model::InputRole::mlp_input
                                                 ? InputQuantization{false, 0.03F, -9, 0}
                                                 : InputQuantization{};
  }
  return source;
}

TEST(Block, InputsAreRoundedAsThePackedModelSays) {
  Threads threads(2);
  for (const model::ModelConfig& config : {tiny_config(), test::tiny_opt_config()}) {
    const auto source = quantized_inputs(config);
    const BlockWeights weights = load_block(config, source, 0);
    const BatchShape shape{2, 257};
    const Matrix<float> before = random_matrix(shape.num_tokens(), config.hidden_size, 1);
    Matrix<float> hidden = before.copy(), expected = before.copy(), plain = before.copy();
    Recorder recorder;
    const BlockForward forward(config, 257);
    forward.run(threads, weights, shape, hidden, &recorder);
    block_reference(config, source, 0, shape, expected);
    block_reference(config, random_weights(config, 3), 0, shape, plain);
    // An input within an fp32 rounding of half a step may round the other way: a step of one
    // channel of one token.
    EXPECT_LT(relative_error(hidden.span(), expected.span()), 1e-3);
    EXPECT_GT(relative_error(hidden.span(), plain.span()), 3e-3);

    // The block from its inputs: the listener heard them before they were rounded.
    Matrix<float> sum = before.copy();
    for (const auto role : {model::LinearRole::o, model::LinearRole::down}) {
      const auto heard = static_cast<std::size_t>(model::input_of(role));
      linalg::quantize_rows_reference(recorder.inputs[heard], InputQuantization{});
      weights.weight(role).multiply(recorder.inputs[heard], sum, linalg::Accumulate::yes);
      if (weights.bias_of(role).empty()) continue;
      for (std::size_t i = 0; i < sum.rows(); ++i) {
        linalg::add(weights.bias_of(role), sum.view().row_span(i));
      }
    }
    EXPECT_LT(relative_error(hidden.span(), sum.span()), 1e-6);
    Matrix<float> rounded = recorder.inputs[2].copy();
    linalg::quantize_rows_reference(rounded, {false, 0.03F, -9, 0});
    EXPECT_GT(relative_error(rounded.span(), recorder.inputs[2].span()), 1e-3);
  }
}

TEST(Block, LayersThatReadOneInputQuantizeItAlike) {
  const model::ModelConfig config = tiny_config();
  auto source = quantized_inputs(config);
  source.input_quantizations["model.layers.0.mlp.up_proj"].zero_point = 3;
  EXPECT_THAT([&] { load_block(config, source, 0); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr(
                  "memory: model.layers.0.mlp.gate_proj and model.layers.0.mlp.up_proj read the "
                  "same input, but quantize it in different ways")));
  source = quantized_inputs(config);
  source.input_quantizations.erase("model.layers.0.self_attn.v_proj");
  EXPECT_THAT([&] { load_block(config, source, 0); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr("self_attn.v_proj read")));
}

TEST(Block, FusedLayersGiveTheSameBitsAsTheirParts) {
  Threads threads(2);
  const model::ModelConfig fused = test::tiny_phi3_config(), apart = tiny_config();
  const auto source = random_weights(fused, 3);
  auto parts = random_weights(apart, 4);
  for (auto& [name, tensor] : parts.tensors) {
    if (source.tensors.contains(name)) tensor = source.tensors.at(name);
  }
  for (const model::LinearLayer& layer : model::linear_layers(fused, 1)) {
    const auto& values = source.tensors.at(layer.name + ".weight").values;
    for (const model::RoleRows& rows : layer.parts) {
      const auto begin =
          values.begin() + static_cast<std::ptrdiff_t>(rows.begin * layer.in_features);
      const auto end = begin + static_cast<std::ptrdiff_t>(rows.count * layer.in_features);
      const std::string name = model::linear_layer(apart, 1, rows.role).name + ".weight";
      parts.tensors.at(name).values.assign(begin, end);
    }
  }
  Matrix<float> hidden = random_matrix(258, fused.hidden_size, 1), expected = hidden.copy();
  BlockForward(fused, 129).run(threads, load_block(fused, source, 1), {2, 129}, hidden, nullptr);
  BlockForward(apart, 129).run(threads, load_block(apart, parts, 1), {2, 129}, expected, nullptr);
  EXPECT_EQ(std::memcmp(hidden.data(), expected.data(), hidden.size() * sizeof(float)), 0);
}

TEST(Block, AnMlpWithoutAGateReadsWhatReluLeaves) {
  Threads threads(2);
  const model::ModelConfig config = test::tiny_opt_config();
  const auto source = random_weights(config, 3);
  const BlockWeights weights = load_block(config, source, 1);
  EXPECT_EQ(weights.weight(model::LinearRole::gate).out_features(), 0u);
  Matrix<float> hidden = random_matrix(10, config.hidden_size, 1);
  Recorder recorder;
  BlockForward(config, 5).run(threads, weights, {2, 5}, hidden, &recorder);
  ASSERT_EQ(recorder.inputs.size(), 4u);
  EXPECT_EQ(*std::ranges::min_element(recorder.inputs[3].span()), 0);
  Matrix<float> first(10, config.intermediate_size);
  weights.weight(model::LinearRole::up).multiply(recorder.inputs[2], first);
  const auto& bias = weights.bias_of(model::LinearRole::up);
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = 0; j < first.cols(); ++j) {
      ASSERT_NEAR(recorder.inputs[3](i, j), std::max(0.0F, first(i, j) + bias[j]), 1e-5);
    }
  }
}

TEST(Block, NoTokensIsNoWork) {
  Threads threads(2);
  const model::ModelConfig config = tiny_config();
  const BlockWeights weights = load_block(config, random_weights(config, 3), 0);
  Matrix<float> hidden(0, config.hidden_size);
  BlockForward(config, 8).run(threads, weights, {0, 8}, hidden, nullptr);
  BlockForward(config, 8).run(threads, weights, {3, 0}, hidden, nullptr);
}

TEST(Block, RefusesWhatDoesNotFit) {
  Threads threads(1);
  const model::ModelConfig config = tiny_config();
  const BlockWeights weights = load_block(config, random_weights(config, 3), 0);
  Matrix<float> hidden(18, config.hidden_size);
  EXPECT_THROW(BlockForward(config, 8).run(threads, weights, {2, 9}, hidden, nullptr), Bug);
  EXPECT_THROW(BlockForward(config, 9).run(threads, weights, {1, 9}, hidden, nullptr), Bug);
}

TEST(Block, LoadingNamesTheTensorThatIsMissingOrDamaged) {
  const model::ModelConfig config = tiny_config();
  auto source = random_weights(config, 3);
  source.tensors["model.layers.0.mlp.up_proj.weight"].values[5] = NAN;
  try {
    load_block(config, source, 0);
    FAIL() << "NaN was accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("model.layers.0.mlp.up_proj.weight"));
  }
  source.tensors.erase("model.layers.1.input_layernorm.weight");
  try {
    load_block(config, source, 1);
    FAIL() << "a missing norm was accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("model.layers.1.input_layernorm.weight"));
  }
}

}  // namespace
}  // namespace tessera::forward
