#include "format/vptq_config.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "tests/format/packed_fixtures.hpp"

namespace tessera::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.0.mlp.down_proj";

JsonValue config_with(const LayerSizes& sizes, const std::string& more = "",
                      Permutation permutation = Permutation::absorbed) {
  const auto original = model::parse_model_config(test::tiny_config_json(more), "test");
  return JsonValue::parse(vptq_config_json(original, sizes, StoredType::bfloat16, permutation),
                          "test");
}

std::vector<std::string> keys_of(const JsonValue& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.entries()) keys.push_back(key);
  return keys;
}

TEST(VptqConfig, PlainLayer) {
  LayerSizes sizes;
  sizes.emplace(kQ,
                test::random_sizes(kQ, {.out_features = 40, .in_features = 40, .has_perm = true}));
  const JsonValue config = config_with(sizes);
  const JsonValue& quantization = config.at("quantization_config");
  EXPECT_EQ(quantization.at("quant_method").text(), "vptq");
  const JsonValue& layer = quantization.at("config_for_layers").at(kQ);
  // Exactly these: one loader dies of a missing key, the other of a thirteenth that it does not
  // know.
  EXPECT_EQ(layer.to_text(),
            R"({"in_features":40,"out_features":40,"vector_lens":[-1,8],"num_centroids":[-1,256],)"
            R"("num_res_centroids":[-1,-1],"group_num":1,"group_size":40,"outlier_size":0,)"
            R"("indices_as_float":false,)"
            R"("enable_norm":true,"enable_perm":false,"is_indice_packed":true,"bias":false})");
}

TEST(VptqConfig, LayerWithEverything) {
  LayerSizes sizes;
  sizes.emplace(kQ, test::random_sizes(kQ, {.out_features = 40,
                                            .in_features = 40,
                                            .vector_len = 12,
                                            .num_res_centroids = 16,
                                            .num_groups = 3,
                                            .outlier_size = 2,
                                            .num_outlier_centroids = 32,
                                            .has_perm = true}));
  const JsonValue config = config_with(sizes, "\"attention_bias\": true,");
  EXPECT_EQ(config.at("quantization_config").at("config_for_layers").at(kQ).to_text(),
            R"({"in_features":40,"out_features":40,"vector_lens":[4,12],"num_centroids":[32,256],)"
            R"("num_res_centroids":[-1,16],"group_num":3,"group_size":12,"outlier_size":4,)"
            R"("indices_as_float":false,)"
            R"("enable_norm":true,"enable_perm":true,"is_indice_packed":true,"bias":true})");
}

TEST(VptqConfig, KeptPermutationIsSaid) {
  LayerSizes sizes;
  sizes.emplace(kQ,
                test::random_sizes(kQ, {.out_features = 40, .in_features = 40, .has_perm = true}));
  const JsonValue config = config_with(sizes, "", Permutation::kept);
  EXPECT_TRUE(
      config.at("quantization_config").at("config_for_layers").at(kQ).at("enable_perm").boolean());
}

TEST(VptqConfig, KeepsTheOriginalsKeysAndNamesTheStoredType) {
  const JsonValue config =
      config_with({}, R"("dtype": "float32", "tie_word_embeddings": true, "x_y": [1, null],)");
  EXPECT_THAT(
      keys_of(config),
      ElementsAre("architectures", "model_type", "hidden_act", "tie_word_embeddings", "x_y",
                  "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                  "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings",
                  "rms_norm_eps", "rope_theta", "torch_dtype", "quantization_config"));
  EXPECT_EQ(config.at("torch_dtype").text(), "bfloat16");
  EXPECT_EQ(config.at("rms_norm_eps").number(), 1e-05);
}

TEST(VptqConfig, NamesTheLayersLeftAlone) {
  LayerSizes sizes;
  for (const char* module : {"self_attn.q_proj", "self_attn.o_proj"}) {
    const std::string name = std::string("model.layers.0.") + module;
    sizes.emplace(name, test::random_sizes(name, {.out_features = 40, .in_features = 40}));
  }
  std::vector<std::string> names;
  const JsonValue config = config_with(sizes);
  for (const JsonValue& name :
       config.at("quantization_config").at("modules_to_not_convert").items()) {
    names.push_back(name.text());
  }
  EXPECT_THAT(names, ElementsAre("lm_head", "model.layers.0.self_attn.k_proj",
                                 "model.layers.0.self_attn.v_proj", "model.layers.0.mlp.gate_proj",
                                 "model.layers.0.mlp.up_proj", kDown));
}

TEST(VptqConfig, RefusesLayersOfAnotherModel) {
  LayerSizes sizes;
  sizes.emplace(kDown, test::random_sizes(kDown, {.out_features = 40, .in_features = 51}));
  try {
    config_with(sizes);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(kDown + " is packed as [40, 51] (the model has [40, 52])"));
  }
  sizes.clear();
  sizes.emplace("model.layers.1.mlp.down_proj",
                test::random_sizes(kDown, {.out_features = 40, .in_features = 52}));
  try {
    config_with(sizes);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.1.mlp.down_proj is to be packed"));
  }
}

}  // namespace
}  // namespace tessera::format
