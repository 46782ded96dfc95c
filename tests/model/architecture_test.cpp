#include "model/architecture.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

/// Odd sizes, heads wider than hidden_size / num_heads.
ModelConfig tiny() {
  ModelConfig config;
  config.hidden_size = 5;
  config.intermediate_size = 7;
  config.num_blocks = 2;
  config.num_heads = 3;
  config.num_kv_heads = 1;
  config.head_dim = 4;
  config.vocab_size = 11;
  return config;
}

std::vector<std::size_t> shape_of(const ModelConfig& config, const std::string& name) {
  for (const NamedShape& tensor : expected_tensors(config)) {
    if (tensor.name == name) return tensor.shape;
  }
  return {};
}

using Shape = std::vector<std::size_t>;

TEST(Architecture, RowsAreSortedAndComplete) {
  EXPECT_TRUE(std::ranges::is_sorted(architectures(), {}, &Architecture::name));
  for (const Architecture& row : architectures()) {
    EXPECT_FALSE(row.model_type.empty());
    EXPECT_GT(row.max_positions, 0u);
  }
}

TEST(Architecture, LinearLayersOfABlock) {
  ModelConfig config = tiny();
  config.qkv_bias = true;
  const auto layers = linear_layers(config, 1);
  ASSERT_EQ(layers.size(), kNumLinearRoles);
  const char* modules[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                           "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                           "mlp.down_proj"};
  const std::size_t out[] = {12, 4, 4, 5, 7, 7, 5};
  const std::size_t in[] = {5, 5, 5, 12, 5, 5, 7};
  const InputRole inputs[] = {InputRole::attention_input, InputRole::attention_input,
                              InputRole::attention_input, InputRole::attention_output,
                              InputRole::mlp_input,       InputRole::mlp_input,
                              InputRole::mlp_hidden};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].block, 1u);
    EXPECT_EQ(layers[i].module, modules[i]);
    EXPECT_EQ(layers[i].name, std::string("model.layers.1.") + modules[i]);
    EXPECT_EQ(layers[i].out_features, out[i]);
    EXPECT_EQ(layers[i].in_features, in[i]);
    EXPECT_EQ(layers[i].input(), inputs[i]);
    EXPECT_EQ(layers[i].has_bias, i < 3);
  }
  EXPECT_THROW(linear_layer(config, 2, LinearRole::q), Bug);
}

TEST(Architecture, InputsHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kNumInputRoles; ++i) names.insert(name_of(static_cast<InputRole>(i)));
  EXPECT_EQ(names.size(), kNumInputRoles);
}

TEST(ExpectedTensors, AreThoseOfTheFlags) {
  ModelConfig config = tiny();
  EXPECT_EQ(expected_tensors(config).size(), 2 * (7 + 2) + 3u);
  EXPECT_EQ(shape_of(config, "lm_head.weight"), (Shape{11, 5}));
  EXPECT_EQ(shape_of(config, "model.embed_tokens.weight"), (Shape{11, 5}));
  EXPECT_EQ(shape_of(config, "model.norm.weight"), Shape{5});
  EXPECT_EQ(shape_of(config, "model.layers.1.self_attn.o_proj.weight"), (Shape{5, 12}));
  EXPECT_EQ(shape_of(config, "model.layers.0.post_attention_layernorm.weight"), Shape{5});

  config.tied_embeddings = true;
  EXPECT_EQ(shape_of(config, "lm_head.weight"), Shape{});
  config.qk_norm = true;
  EXPECT_EQ(shape_of(config, "model.layers.0.self_attn.k_norm.weight"), Shape{4});
  config.qkv_bias = config.o_bias = config.mlp_bias = true;
  EXPECT_EQ(shape_of(config, "model.layers.0.self_attn.q_proj.bias"), Shape{12});
  EXPECT_EQ(shape_of(config, "model.layers.1.mlp.down_proj.bias"), Shape{5});
  EXPECT_EQ(expected_tensors(config).size(), 2 * (14 + 2 + 2) + 2u);

  std::set<std::string> names;
  for (const NamedShape& tensor : expected_tensors(config)) names.insert(tensor.name);
  EXPECT_EQ(names.size(), expected_tensors(config).size());
}

}  // namespace
}  // namespace tessera::model
