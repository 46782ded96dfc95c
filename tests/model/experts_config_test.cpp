#include "model/experts_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "model/model_config.hpp"
#include "tests/model/safetensors_bytes.hpp"

namespace tessera::model {
namespace {

using nlohmann::json;
using test::input_error_of;
using testing::ElementsAre;
using testing::HasSubstr;

ModelConfig parse(const char* family, json changes = json::object()) {
  json config{{"architectures", {family}},
              {"hidden_size", 64},
              {"intermediate_size", 172},
              {"moe_intermediate_size", 24},
              {"shared_expert_intermediate_size", 40},
              {"num_hidden_layers", 2},
              {"vocab_size", 512},
              {"num_attention_heads", 16},
              {"num_local_experts", 8},
              {"num_experts", 6},
              {"num_experts_per_tok", 2}};
  config.update(changes);
  return parse_model_config(config.dump(), "config.json");
}

std::string refusal(const char* family, json changes) {
  return input_error_of([&] { parse(family, std::move(changes)); });
}

constexpr const char* kMixtral = "MixtralForCausalLM";
constexpr const char* kQwen2 = "Qwen2MoeForCausalLM";
constexpr const char* kQwen3 = "Qwen3MoeForCausalLM";

TEST(ExpertsConfig, SizesOfTheFamilies) {
  const ModelConfig mixtral = parse(kMixtral), qwen2 = parse(kQwen2), qwen3 = parse(kQwen3);
  EXPECT_EQ(mixtral.num_experts, 8u);
  EXPECT_EQ(mixtral.expert_size, 172u);
  EXPECT_EQ(mixtral.intermediate_size, 0u);
  EXPECT_TRUE(mixtral.normalizes_expert_weights);
  EXPECT_EQ(mixtral.rope_theta, 1e6);
  EXPECT_EQ(mixtral.norm_epsilon, 1e-5);
  EXPECT_EQ(mixtral.num_kv_heads, 8u);
  EXPECT_FALSE(mixtral.sliding_window);
  EXPECT_EQ(parse(kMixtral, {{"sliding_window", 9}}).sliding_window, 9u);
  EXPECT_EQ(qwen2.num_experts, 6u);
  EXPECT_EQ(qwen2.expert_size, 24u);
  EXPECT_EQ(qwen2.intermediate_size, 40u);
  EXPECT_FALSE(qwen2.normalizes_expert_weights);
  EXPECT_TRUE(qwen2.qkv_bias && !qwen2.o_bias);
  EXPECT_EQ(qwen2.num_kv_heads, 16u);
  EXPECT_EQ(qwen3.intermediate_size, 0u);
  EXPECT_EQ(qwen3.num_kv_heads, 4u);
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_TRUE(parse(kQwen3, {{"norm_topk_prob", true}}).normalizes_expert_weights);
  EXPECT_EQ(parse("LlamaForCausalLM").num_experts, 0u);  // keys of others mean nothing
}

TEST(ExpertsConfig, WhatIsNotComputedIsRefused) {
  EXPECT_THAT(refusal(kMixtral, {{"num_local_experts", nullptr}}),
              HasSubstr("num_local_experts is missing"));
  EXPECT_THAT(refusal(kQwen3, {{"num_experts", 0}}), HasSubstr("num_experts is 0"));
  EXPECT_THAT(refusal(kQwen3, {{"num_experts_per_tok", 7}}),
              HasSubstr("num_experts_per_tok is 7, but num_experts is 6"));
  EXPECT_THAT(refusal(kQwen3, {{"decoder_sparse_step", 2}}),
              HasSubstr("decoder_sparse_step is 2 (this program knows models with experts in every "
                        "block"));
  EXPECT_THAT(refusal(kQwen2, {{"mlp_only_layers", {0, 3}}}), HasSubstr("mlp_only_layers is [0"));
  EXPECT_NO_THROW(parse(kQwen2, {{"mlp_only_layers", json::array()}, {"decoder_sparse_step", 1}}));
  EXPECT_THAT(refusal(kQwen2, {{"use_sliding_window", true}}),
              HasSubstr("use_sliding_window is true"));
  EXPECT_NO_THROW(parse(kQwen3, {{"use_sliding_window", true}, {"sliding_window", nullptr}}));
  EXPECT_THAT(refusal(kQwen2, {{"qkv_bias", false}}), HasSubstr("qkv_bias is false"));
}

TEST(ExpertsConfig, ExpertsFollowTheBlocksOwnLayers) {
  const auto mixtral = linear_layers(parse(kMixtral), 1);
  ASSERT_EQ(mixtral.size(), 4 + 3 * 8u);
  EXPECT_EQ(mixtral[4].name, "model.layers.1.block_sparse_moe.experts.0.w1");
  EXPECT_EQ(mixtral[4].role, LinearRole::gate);
  EXPECT_EQ(mixtral[5].module, "block_sparse_moe.experts.0.w3");
  EXPECT_EQ(mixtral[5].role, LinearRole::up);
  EXPECT_EQ(mixtral.back().module, "block_sparse_moe.experts.7.w2");
  EXPECT_EQ(mixtral.back().out_features, 64u);
  EXPECT_EQ(mixtral.back().in_features, 172u);
  EXPECT_EQ(mixtral.back().input(), InputKey(InputRole::mlp_hidden, 7));
  const auto qwen2 = linear_layers(parse(kQwen2), 0);
  ASSERT_EQ(qwen2.size(), 7 + 3 * 6u);
  EXPECT_EQ(qwen2[6].module, "mlp.shared_expert.down_proj");
  EXPECT_EQ(qwen2[6].in_features, 40u);
  EXPECT_EQ(qwen2[6].input(), InputKey(InputRole::mlp_hidden));
  EXPECT_EQ(qwen2[8].module, "mlp.experts.0.up_proj");
  EXPECT_EQ(qwen2[8].out_features, 24u);
  EXPECT_THROW(expert_layer(parse(kQwen2), 0, 6, LinearRole::up), Bug);
  EXPECT_THROW(expert_layer(parse(kQwen2), 0, 0, LinearRole::o), Bug);
  EXPECT_FALSE(has_role(parse(kQwen3), LinearRole::down));
}

TEST(ExpertsConfig, RoutersAreExpectedButAreNoLinearLayers) {
  const auto steering = steering_layers(parse(kQwen2), 1);
  ASSERT_EQ(steering.size(), 2u);
  EXPECT_EQ(steering[0].name, "model.layers.1.mlp.gate");
  EXPECT_EQ(steering[0].out_features, 6u);
  EXPECT_EQ(steering[1].name, "model.layers.1.mlp.shared_expert_gate");
  EXPECT_EQ(steering[1].out_features, 1u);
  EXPECT_EQ(steering_layers(parse(kMixtral), 0).size(), 1u);
  EXPECT_TRUE(steering_layers(parse("LlamaForCausalLM"), 0).empty());
  bool found = false;
  for (const NamedShape& tensor : expected_tensors(parse(kMixtral))) {
    if (tensor.name != "model.layers.0.block_sparse_moe.gate.weight") continue;
    found = true;
    EXPECT_THAT(tensor.shape, ElementsAre(8, 64));
  }
  EXPECT_TRUE(found);
}

TEST(ExpertsConfig, InputsAreOrderedByRoleThenExpert) {
  EXPECT_LT(InputKey(InputRole::attention_output), InputKey(InputRole::mlp_input));
  EXPECT_LT(InputKey(InputRole::mlp_input), InputKey(InputRole::mlp_input, 0));
  EXPECT_LT(InputKey(InputRole::mlp_input, 9), InputKey(InputRole::mlp_hidden));
  EXPECT_EQ(name_of(InputKey(InputRole::mlp_input, 3)), "mlp_input of expert 3");
  EXPECT_EQ(name_of(InputKey(InputRole::mlp_hidden)), "mlp_hidden");
}

}  // namespace
}  // namespace tessera::model
