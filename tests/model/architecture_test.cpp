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
  config.architecture = "LlamaForCausalLM";
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

ModelConfig tiny_opt() {
  ModelConfig config = tiny();
  config.architecture = "OPTForCausalLM";
  config.norm = NormKind::layer;
  config.activation = Activation::relu;
  config.positions = Positions::learned;
  config.max_positions = 9;
  config.qkv_bias = config.o_bias = config.mlp_bias = config.tied_embeddings = true;
  return config;
}

TEST(Architecture, OptHasNoGateAndNamesOfItsOwn) {
  const ModelConfig config = tiny_opt();
  std::vector<std::string> names;
  for (const LinearLayer& layer : linear_layers(config, 1)) {
    names.push_back(layer.name);
    EXPECT_TRUE(layer.has_bias);
  }
  EXPECT_THAT(names,
              testing::ElementsAre("model.decoder.layers.1.self_attn.q_proj",
                                   "model.decoder.layers.1.self_attn.k_proj",
                                   "model.decoder.layers.1.self_attn.v_proj",
                                   "model.decoder.layers.1.self_attn.out_proj",
                                   "model.decoder.layers.1.fc1", "model.decoder.layers.1.fc2"));
  const LinearLayer down = linear_layer(config, 0, LinearRole::down);
  EXPECT_EQ(down.module, "fc2");
  EXPECT_EQ(down.in_features, 7u);
  EXPECT_FALSE(has_role(config, LinearRole::gate));
  EXPECT_THROW(linear_layer(config, 0, LinearRole::gate), Bug);
}

TEST(Architecture, FusedLayersStandOnceWithThePlaceOfEachPart) {
  ModelConfig config = tiny();
  config.architecture = "Phi3ForCausalLM";
  const auto layers = linear_layers(config, 1);
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0].name, "model.layers.1.self_attn.qkv_proj");
  EXPECT_EQ(layers[0].out_features, 12u + 4 + 4);
  EXPECT_EQ(layers[0].in_features, 5u);
  EXPECT_EQ(layers[1].module, "self_attn.o_proj");
  EXPECT_EQ(layers[2].name, "model.layers.1.mlp.gate_up_proj");
  EXPECT_EQ(layers[2].out_features, 14u);
  EXPECT_EQ(layers[2].input(), InputRole::mlp_input);
  const LinearLayer of_v = linear_layer(config, 1, LinearRole::v);
  EXPECT_EQ(of_v.name, layers[0].name);
  EXPECT_EQ(of_v.role, LinearRole::q);
  EXPECT_EQ(of_v.rows_of(LinearRole::v).begin, 16u);
  EXPECT_EQ(of_v.rows_of(LinearRole::v).count, 4u);
  EXPECT_EQ(layers[2].rows_of(LinearRole::up).begin, 7u);
  EXPECT_EQ(shape_of(config, "model.layers.0.self_attn.qkv_proj.weight"), (Shape{20, 5}));
  EXPECT_THROW(of_v.rows_of(LinearRole::o), Bug);
}

TEST(Architecture, ALayerThatIsNotFusedIsAllOfOnePart) {
  for (const LinearLayer& layer : linear_layers(tiny_opt(), 0)) {
    ASSERT_EQ(layer.parts.size(), 1u);
    EXPECT_EQ(layer.rows_of(layer.role).begin, 0u);
    EXPECT_EQ(layer.rows_of(layer.role).count, layer.out_features);
  }
}

TEST(Architecture, NormsHaveABiasWhereTheySubtractTheMean) {
  EXPECT_EQ(attention_norm(tiny(), 1).weight, "model.layers.1.input_layernorm.weight");
  EXPECT_EQ(mlp_norm(tiny(), 0).weight, "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(final_norm(tiny()).weight, "model.norm.weight");
  EXPECT_EQ(attention_norm(tiny(), 0).bias + mlp_norm(tiny(), 0).bias + final_norm(tiny()).bias,
            "");
  EXPECT_EQ(attention_norm(tiny_opt(), 1).weight,
            "model.decoder.layers.1.self_attn_layer_norm.weight");
  EXPECT_EQ(mlp_norm(tiny_opt(), 0).bias, "model.decoder.layers.0.final_layer_norm.bias");
  EXPECT_EQ(final_norm(tiny_opt()).bias, "model.decoder.final_layer_norm.bias");
}

TEST(Architecture, AConfigOutsideTheTableIsOurMistake) {
  EXPECT_THROW(architecture_of(ModelConfig{}), Bug);
  EXPECT_THROW(positions_name(tiny()), Bug);
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

TEST(ExpectedTensors, OfOptHavePositionsAndBiasesEverywhere) {
  const ModelConfig config = tiny_opt();
  EXPECT_EQ(expected_tensors(config).size(), 2 * (2 * 6 + 2 * 2) + 2 + 2u);
  EXPECT_EQ(shape_of(config, "model.decoder.embed_tokens.weight"), (Shape{11, 5}));
  EXPECT_EQ(shape_of(config, "model.decoder.embed_positions.weight"), (Shape{11, 5}));
  EXPECT_EQ(shape_of(config, "model.decoder.layers.1.fc1.bias"), Shape{7});
  EXPECT_EQ(shape_of(config, "model.decoder.layers.0.self_attn_layer_norm.bias"), Shape{5});
  EXPECT_EQ(shape_of(config, "model.decoder.final_layer_norm.bias"), Shape{5});
}

}  // namespace
}  // namespace tessera::model
