#include "format/integer_config.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "model/architecture.hpp"
#include "tests/format/random_integer_layer.hpp"

namespace tessera::format {
namespace {

using test::RandomIntegers;
using ::testing::HasSubstr;

constexpr auto kGptq = IntegerFormat::gptq;
constexpr auto kCompressed = IntegerFormat::compressed_tensors;

const std::string kQ = "model.layers.0.self_attn.q_proj";

/// A model of two blocks with layers that GPTQ can hold.
model::ModelConfig model_config(const std::string& more = "", const char* family = "llama",
                                const char* name = "LlamaForCausalLM") {
  const std::string json = std::string(R"({"architectures": [")") + name +
                           R"("], "model_type": ")" + family + R"(",)" + more +
                           R"("hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
                              "num_attention_heads": 2, "num_key_value_heads": 1,
                              "vocab_size": 33, "torch_dtype": "float32"})";
  return model::parse_model_config(json, "test");
}

/// All layers of the model but those whose name holds @p left_alone.
IntegerSizes sizes_for(const model::ModelConfig& config, RandomIntegers wanted,
                       const std::string& left_alone = "nothing") {
  IntegerSizes sizes;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
      if (layer.name.find(left_alone) != layer.name.npos) continue;
      wanted.out_features = layer.out_features;
      wanted.in_features = layer.in_features;
      sizes.emplace(layer.name, test::random_sizes(layer.name, wanted));
    }
  }
  return sizes;
}

JsonValue written(const RandomIntegers& wanted, IntegerFormat format,
                  const std::string& left_alone = "nothing", DeclaredBiases biases = {}) {
  const auto original = model_config();
  return JsonValue::parse(integer_config_json(original, sizes_for(original, wanted, left_alone),
                                              wanted.scale_type, format, biases),
                          "test");
}

TEST(IntegerConfig, PackQuantized) {
  const JsonValue config = written({.group_size = 32}, kCompressed);
  EXPECT_EQ(config.at("torch_dtype").text(), "float16");
  EXPECT_FALSE(config.contains("attention_bias"));
  EXPECT_EQ(config.at("quantization_config").to_text(),
            R"({"quant_method":"compressed-tensors","format":"pack-quantized",)"
            R"("quantization_status":"compressed","version":"0.18.0","config_groups":{"group_0":{)"
            R"("targets":["Linear"],"weights":{"num_bits":4,"type":"int","symmetric":true,)"
            R"("strategy":"group","group_size":32,"dynamic":false,"actorder":null,)"
            R"("block_structure":null,"observer":null,"observer_kwargs":{}},)"
            R"("input_activations":null,"output_activations":null,"format":"pack-quantized"}},)"
            R"("ignore":["lm_head"],"kv_cache_scheme":null,"global_compression_ratio":null,)"
            R"("sparsity_config":{},"transform_config":{}})");
}

TEST(IntegerConfig, SeveralSchemesNameTheirLayers) {
  const auto original = model_config();
  IntegerSizes sizes = sizes_for(original, {.group_size = 32}, "k_proj");
  sizes.at(kQ).bits = 2;
  sizes.at("model.layers.1.mlp.up_proj").group_size = 64;  // of 64 columns: one scale a row
  const JsonValue config = JsonValue::parse(
      integer_config_json(original, sizes, StoredType::float16, kCompressed), "test");
  const JsonValue& groups = config.at("quantization_config").at("config_groups");
  ASSERT_EQ(groups.entries().size(), 3u);
  EXPECT_EQ(groups.at("group_0").at("targets").to_text(), "[\"" + kQ + "\"]");
  EXPECT_EQ(groups.at("group_0").at("weights").at("num_bits").integer(), 2);
  EXPECT_EQ(groups.at("group_1").at("targets").items().size(), sizes.size() - 2);
  EXPECT_EQ(groups.at("group_2").at("weights").at("strategy").text(), "channel");
  EXPECT_EQ(config.at("quantization_config").at("ignore").to_text(),
            R"(["lm_head","model.layers.0.self_attn.k_proj","model.layers.1.self_attn.k_proj"])");
}

TEST(IntegerConfig, IntQuantized) {
  RandomIntegers wanted{.bits = 8, .scale_type = StoredType::bfloat16};
  wanted.input.emplace();
  const auto group = [&] {
    return written(wanted, kCompressed).at("quantization_config").at("config_groups").at("group_0");
  };
  const JsonValue dynamic = group();
  EXPECT_EQ(dynamic.at("format").text(), "int-quantized");
  EXPECT_EQ(dynamic.at("weights").at("strategy").text(), "channel");
  EXPECT_TRUE(dynamic.at("weights").at("group_size").is_null());
  EXPECT_EQ(dynamic.at("input_activations").to_text(),
            R"({"num_bits":8,"type":"int","symmetric":true,"strategy":"token","group_size":null,)"
            R"("dynamic":true,"actorder":null,"block_structure":null,"observer":null,)"
            R"("observer_kwargs":{}})");
  wanted.input->is_dynamic = false;
  EXPECT_EQ(group().at("input_activations").at("strategy").text(), "tensor");
  EXPECT_TRUE(group().at("input_activations").at("symmetric").boolean());
  wanted.input->zero_point = 7;
  EXPECT_FALSE(group().at("input_activations").at("symmetric").boolean());
}

TEST(IntegerConfig, Gptq) {
  EXPECT_EQ(written({.group_size = 64}, kGptq).at("quantization_config").to_text(),
            R"({"quant_method":"gptq","bits":4,"group_size":64,"desc_act":false,"sym":true,)"
            R"("lm_head":false,"checkpoint_format":"gptq","pack_dtype":"int32"})");
  const JsonValue rows =
      written({.bits = 3, .is_symmetric = false}, kGptq).at("quantization_config");
  EXPECT_EQ(rows.at("group_size").integer(), -1);
  EXPECT_EQ(rows.at("checkpoint_format").text(), "gptq_v2");
  EXPECT_FALSE(rows.at("sym").boolean());
}

TEST(IntegerConfig, QuantizeConfigSaysTheSame) {
  const auto original = model_config();
  const auto sizes = sizes_for(original, {.group_size = 32}, "k_proj");
  EXPECT_EQ(JsonValue::parse(gptq_quantize_config_json(original, sizes), "test").to_text(),
            written({.group_size = 32}, kGptq, "k_proj").at("quantization_config").to_text());
}

TEST(IntegerConfig, LayersLeftAloneAreNamed) {
  const auto ignore = written({}, kCompressed, "k_proj").at("quantization_config").at("ignore");
  EXPECT_EQ(ignore.to_text(),
            R"(["lm_head","model.layers.0.self_attn.k_proj","model.layers.1.self_attn.k_proj"])");
  const JsonValue gptq = written({}, kGptq, "k_proj").at("quantization_config");
  EXPECT_EQ(gptq.at("dynamic").to_text(), R"({"-:^model\\.layers\\.0\\.self_attn\\.k_proj$":{},)"
                                          R"("-:^model\\.layers\\.1\\.self_attn\\.k_proj$":{}})");
  EXPECT_EQ(gptq.at("modules_in_block_to_quantize").to_text(),
            R"([["self_attn.q_proj","self_attn.v_proj","self_attn.o_proj","mlp.gate_proj",)"
            R"("mlp.up_proj","mlp.down_proj"]])");
  // Where blocks differ, by whole names.
  const JsonValue differ = written({}, kGptq, "0.mlp").at("quantization_config");
  EXPECT_EQ(differ.at("dynamic").entries().size(), 3u);
  const JsonValue& all = differ.at("modules_in_block_to_quantize").items()[0];
  EXPECT_EQ(all.items().size(), 4u + 7);
  EXPECT_EQ(all.items()[0].text(), kQ);
}

TEST(IntegerConfig, BiasesAreDeclared) {
  const JsonValue both = written({.has_bias = true}, kCompressed, "nothing", {true, true});
  EXPECT_TRUE(both.at("attention_bias").boolean());
  EXPECT_TRUE(both.at("mlp_bias").boolean());
}

std::string refusal(const model::ModelConfig& original, const RandomIntegers& wanted,
                    DeclaredBiases biases, StoredType type = StoredType::float16) {
  try {
    integer_config_json(original, sizes_for(original, wanted), type, kCompressed, biases);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(IntegerConfig, BiasesThatNoEngineWouldReadAreRefused) {
  EXPECT_THAT(refusal(model_config(), {.has_bias = true}, {.attention = true}),
              HasSubstr("model.layers.0.mlp.gate_proj has a bias that config.json of a "
                        "LlamaForCausalLM does not declare"));
  EXPECT_EQ(refusal(model_config(), {.has_bias = true}, {true, true}), "");
  EXPECT_THAT(refusal(model_config("", "mistral", "MistralForCausalLM"), {}, {.attention = true}),
              HasSubstr("MistralForCausalLM"));
  // q, k and v have one in every Qwen2; o cannot.
  EXPECT_THAT(refusal(model_config("", "qwen2", "Qwen2ForCausalLM"), {}, {.attention = true}),
              HasSubstr("model.layers.0.self_attn.o_proj has a bias"));
}

TEST(IntegerConfig, RefusesWhatDoesNotFitTogether) {
  EXPECT_THAT(refusal(model_config(), {}, {}, StoredType::bfloat16),
              HasSubstr("has scales of F16 in a model of BF16"));
  const auto original = model_config();
  auto sizes = sizes_for(original, {});
  sizes.emplace("model.layers.2.mlp.up_proj",
                test::random_sizes("a", RandomIntegers{.out_features = 96, .in_features = 64}));
  try {
    integer_config_json(original, sizes, StoredType::float16, kCompressed, {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.2.mlp.up_proj is to be packed"));
  }
  sizes = sizes_for(original, {});
  sizes.at(kQ) = test::random_sizes("a", RandomIntegers{.out_features = 32, .in_features = 64});
  try {
    gptq_quantize_config_json(original, sizes);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(kQ + " is packed as [32, 64] (the model has [64, 64])"));
  }
}

}  // namespace
}  // namespace tessera::format
