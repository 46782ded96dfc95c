#include "model/model_config.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/atomic_file.hpp"
#include "tests/model/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_data.hpp"

namespace tessera::model {
namespace {

using nlohmann::json;
using test::input_error_of;
using testing::AllOf;
using testing::HasSubstr;

/// The least a config must say, with @p changes merged in (null stays null).
std::string config_with(json changes, const char* architecture = "LlamaForCausalLM") {
  json config{{"architectures", {architecture}}, {"hidden_size", 64}, {"intermediate_size", 172},
              {"num_hidden_layers", 5},          {"vocab_size", 512}, {"num_attention_heads", 8}};
  if (!changes.is_null()) config.update(changes);  // {} is null
  return config.dump();
}

ModelConfig parse(json changes, const char* architecture = "LlamaForCausalLM") {
  return parse_model_config(config_with(std::move(changes), architecture), "config.json");
}

std::string refusal(json changes, const char* architecture = "LlamaForCausalLM") {
  const std::string message = input_error_of([&] { parse(std::move(changes), architecture); });
  EXPECT_TRUE(message.starts_with("config.json: ")) << message;
  return message;
}

TEST(ModelConfig, SilentKeysGetTheFamilysDefaults) {
  const ModelConfig llama = parse({});
  EXPECT_EQ(llama.num_kv_heads, 8u);
  EXPECT_EQ(llama.head_dim, 8u);
  EXPECT_EQ(llama.max_positions, 2048u);
  EXPECT_EQ(llama.norm_epsilon, 1e-6);
  EXPECT_EQ(llama.rope_theta, 10000);
  EXPECT_FALSE(llama.tied_embeddings || llama.qkv_bias || llama.o_bias || llama.mlp_bias ||
               llama.qk_norm || llama.sliding_window);
  EXPECT_EQ(parse({}, "MistralForCausalLM").sliding_window, 4096u);
  EXPECT_EQ(parse({{"num_attention_heads", 32}}, "Qwen3ForCausalLM").head_dim, 128u);
  EXPECT_EQ(parse({{"num_attention_heads", 32}}, "Qwen2ForCausalLM").num_kv_heads, 32u);
}

TEST(ModelConfig, NullIsLikeAMissingKey) {
  const ModelConfig config = parse({{"num_key_value_heads", nullptr},
                                    {"head_dim", nullptr},
                                    {"rope_scaling", nullptr},
                                    {"attention_bias", nullptr}});
  EXPECT_EQ(config.num_kv_heads, 8u);
  EXPECT_EQ(config.head_dim, 8u);
  EXPECT_EQ(parse({{"num_key_value_heads", nullptr}}, "MistralForCausalLM").num_kv_heads, 8u);
  EXPECT_THAT(refusal({{"hidden_size", nullptr}}), HasSubstr("hidden_size is missing"));
}

TEST(ModelConfig, FlagsOfTheFamilies) {
  const ModelConfig llama = parse({{"attention_bias", true},
                                   {"mlp_bias", true},
                                   {"tie_word_embeddings", true},
                                   {"head_dim", 10}});
  EXPECT_TRUE(llama.qkv_bias && llama.o_bias && llama.mlp_bias && llama.tied_embeddings);
  EXPECT_EQ(llama.q_size(), 80u);
  const ModelConfig qwen2 = parse({{"num_key_value_heads", 2}}, "Qwen2ForCausalLM");
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.o_bias || qwen2.mlp_bias || qwen2.qk_norm);
  EXPECT_EQ(qwen2.kv_size(), 16u);
  const ModelConfig qwen3 =
      parse({{"num_key_value_heads", 2}, {"attention_bias", true}}, "Qwen3ForCausalLM");
  EXPECT_TRUE(qwen3.qk_norm && qwen3.qkv_bias && qwen3.o_bias);
  EXPECT_THAT(refusal({{"attention_bias", true}}, "MistralForCausalLM"),
              HasSubstr("attention_bias is true, but MistralForCausalLM has no biases there"));
  EXPECT_THAT(refusal({{"num_key_value_heads", 2}, {"attention_bias", false}}, "Qwen2ForCausalLM"),
              HasSubstr("always biases"));
  EXPECT_THAT(refusal({{"attention_bias", "yes"}}), HasSubstr("is \"yes\" (true or false"));
}

json opt(json changes) {
  json keys{{"ffn_dim", 96}};
  if (!changes.is_null()) keys.update(changes);
  return keys;
}

TEST(ModelConfig, OptHasKeysOfItsOwn) {
  const ModelConfig config = parse(opt({{"word_embed_proj_dim", 64},
                                        {"activation_function", "relu"},
                                        {"do_layer_norm_before", true},
                                        {"enable_bias", true}}),
                                   "OPTForCausalLM");
  EXPECT_EQ(config.intermediate_size, 96u);
  EXPECT_EQ(config.num_kv_heads, 8u);
  EXPECT_EQ(config.max_positions, 2048u);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_TRUE(config.norm == NormKind::layer && config.activation == Activation::relu &&
              config.positions == Positions::learned);
  EXPECT_TRUE(config.tied_embeddings && config.qkv_bias && config.o_bias && config.mlp_bias);
  EXPECT_EQ(parse(opt({{"num_attention_heads", 64}}), "OPTForCausalLM").head_dim, 1u);
  EXPECT_THAT(refusal({}, "OPTForCausalLM"), HasSubstr("ffn_dim is missing"));
  EXPECT_THAT(refusal(opt({{"activation_function", "gelu"}}), "OPTForCausalLM"),
              HasSubstr("activation_function is 'gelu' (this program knows relu)"));
}

TEST(ModelConfig, OptsOtherNetworksAreRefused) {
  const auto refused = [](json changes) {
    return refusal(opt(std::move(changes)), "OPTForCausalLM");
  };
  EXPECT_THAT(refused({{"do_layer_norm_before", false}}),
              HasSubstr("do_layer_norm_before is false (as in opt-350m"));
  EXPECT_THAT(refused({{"word_embed_proj_dim", 32}}),
              HasSubstr("word_embed_proj_dim is 32, but hidden_size is 64 (as in opt-350m"));
  EXPECT_THAT(refused({{"enable_bias", false}}),
              AllOf(HasSubstr("enable_bias is false"), HasSubstr("a bias in every linear layer")));
  EXPECT_THAT(refused({{"layer_norm_elementwise_affine", false}}),
              HasSubstr("layer_norm_elementwise_affine is false"));
  EXPECT_THAT(refused({{"_remove_final_layer_norm", true}}),
              AllOf(HasSubstr("_remove_final_layer_norm is true"), HasSubstr("before its head")));
}

TEST(ModelConfig, Phi3sDefaultsAndWhatOfItIsNotKnown) {
  const ModelConfig config = parse({}, "Phi3ForCausalLM");
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_EQ(config.max_positions, 4096u);
  EXPECT_EQ(config.num_kv_heads, 8u);
  EXPECT_FALSE(config.sliding_window || config.tied_embeddings || config.qkv_bias);
  EXPECT_EQ(parse({{"sliding_window", 2047}}, "Phi3ForCausalLM").sliding_window, 2047u);
  EXPECT_THAT(refusal({{"rope_scaling", {{"type", "longrope"}, {"short_factor", json::array()}}}},
                      "Phi3ForCausalLM"),
              HasSubstr("rope_scaling.type is 'longrope' (this program knows default, linear"));
  EXPECT_THAT(refusal({{"partial_rotary_factor", 0.75}}, "Phi3ForCausalLM"),
              HasSubstr("partial_rotary_factor is 0.75 (this program rotates whole heads"));
}

TEST(ModelConfig, LearnedPositionsBoundTheLength) {
  const ModelConfig config = parse(opt({{"max_position_embeddings", 40}}), "OPTForCausalLM");
  EXPECT_NO_THROW(require_positions(config, 40, "x"));
  EXPECT_EQ(input_error_of([&] { require_positions(config, 41, "evaluation.context_length"); }),
            "evaluation.context_length is 41 tokens (OPTForCausalLM has learned positions for 40 "
            "and knows no others). Choose at most 40.");
  EXPECT_NO_THROW(require_positions(parse({}), 1'000'000, "x"));
}

TEST(ModelConfig, UnknownArchitecturesAreRefusedWithTheKnownOnes) {
  EXPECT_THAT(
      refusal({}, "GPT2LMHeadModel"),
      AllOf(HasSubstr("names 'GPT2LMHeadModel'"),
            HasSubstr("LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, OPTForCausalLM, "
                      "Phi3ForCausalLM, Qwen2ForCausalLM, Qwen2MoeForCausalLM, Qwen3ForCausalLM, "
                      "Qwen3MoeForCausalLM")));
  for (const json& value : {json::array(), json("LlamaForCausalLM"), json{1}, json{"A", "B"}}) {
    EXPECT_THAT(refusal({{"architectures", value}}), HasSubstr("not a list of one name"));
  }
  EXPECT_THAT(refusal({{"architectures", nullptr}}), HasSubstr("architectures is missing"));
  EXPECT_EQ(parse({{"architectures", nullptr}, {"model_type", "qwen3"}, {"num_key_value_heads", 1}})
                .architecture,
            "Qwen3ForCausalLM");
  EXPECT_THAT(refusal({{"architectures", nullptr}, {"model_type", "gpt2"}}), HasSubstr("'gpt2'"));
}

TEST(ModelConfig, ImpossibleSizes) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings"}) {
    for (const json& value : {json(0), json(-5), json(1.5), json(64.0), json("64"), json(true),
                              json(1e300), json(std::uint64_t{1} << 63), json::array()}) {
      EXPECT_THAT(refusal({{key, value}}),
                  AllOf(HasSubstr(key), HasSubstr("a whole number from 1 to")))
          << value;
    }
  }
  EXPECT_THAT(refusal({{"num_attention_heads", 7}}),
              HasSubstr("hidden_size is 64, which num_attention_heads = 7"));
  EXPECT_THAT(refusal({{"num_key_value_heads", 3}}),
              HasSubstr("num_attention_heads is 8, which num_key_value_heads = 3 does not divide"));
  EXPECT_THAT(refusal({{"head_dim", 7}}), HasSubstr("head_dim is 7 (an even number"));
  EXPECT_THAT(refusal({{"rms_norm_eps", 0}}), HasSubstr("rms_norm_eps is 0 (a number above 0"));
}

TEST(ModelConfig, OtherActivationsAreRefused) {
  EXPECT_NO_THROW(parse({{"hidden_act", "swish"}}));
  EXPECT_THAT(refusal({{"hidden_act", "gelu"}}), HasSubstr("hidden_act is 'gelu'"));
  EXPECT_THAT(refusal({{"hidden_act", 1}}), HasSubstr("a text is expected"));
}

TEST(ModelConfig, QuantizedModelsAreRefusedUnlessTheyAreOurs) {
  EXPECT_NO_THROW(
      parse({{"quantization_config", {{"quant_method", "vptq"}, {"layers", json::object()}}}}));
  EXPECT_NO_THROW(parse({{"quantization_config", nullptr}}));
  EXPECT_THAT(refusal({{"quantization_config", {{"quant_method", "awq"}}}}),
              AllOf(HasSubstr("already quantized by 'awq'"), HasSubstr("Name the original model")));
  EXPECT_THAT(refusal({{"quantization_config", json::object()}}), HasSubstr("already quantized"));
  EXPECT_THAT(refusal({{"quantization_config", 4}}), HasSubstr("an object is expected"));
}

TEST(ModelConfig, TorchDtypeIsIgnoredAndTheTextKept) {
  const std::string text = config_with({{"torch_dtype", "float64"}, {"anything", {1, 2}}});
  EXPECT_EQ(parse_model_config(text, "x").json, text);
}

TEST(ModelConfig, WhatIsNoObjectOrNoJson) {
  EXPECT_THAT(input_error_of([] { parse_model_config("[]", "x"); }), HasSubstr("object"));
  EXPECT_THAT(input_error_of([] { parse_model_config("", "x"); }), HasSubstr("JSON"));
  EXPECT_THAT(input_error_of([] { parse_model_config(R"({"vocab_size":1,"vocab_size":2})", "x"); }),
              HasSubstr("twice"));
  EXPECT_THAT(input_error_of([] { parse_model_config(std::string(100'000, '['), "x"); }),
              HasSubstr("deeper"));
}

TEST(ModelConfig, OfAFolder) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(input_error_of([&] { read_model_config(folder.path()); }),
              HasSubstr("no config.json"));
  write_file_atomically(folder / "config.json", "{");
  EXPECT_THAT(input_error_of([&] { read_model_config(folder.path()); }),
              HasSubstr((folder / "config.json").string()));
}

TEST(ModelConfig, OfARealModel) {
  const auto path = test::test_data("models/stories260K");
  if (!path) GTEST_SKIP() << test::missing_data("models/stories260K");
  const ModelConfig config = read_model_config(*path);
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden_size, 64u);
  EXPECT_EQ(config.kv_size(), 32u);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_TRUE(config.tied_embeddings);
}

}  // namespace
}  // namespace tessera::model
