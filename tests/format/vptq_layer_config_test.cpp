#include "format/vptq_layer_config.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using ::testing::HasSubstr;

/// A layer object as published models have them, with the keys of @p changes replaced or, where
/// null, left out.
JsonValue layer_object(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
  const JsonValue good = JsonValue::parse(
      R"({"in_features": 96, "out_features": 50, "vector_lens": [4, 8], "num_centroids": [7, 65536],
          "num_res_centroids": [-1, 256], "group_num": 2, "group_size": 45,
          "outlier_size": 6, "indices_as_float": false,
          "enable_norm": true, "enable_perm": true, "is_indice_packed": true, "bias": null})",
      "test");
  JsonValue object = JsonValue::object();
  for (const auto& [key, value] : good.entries()) {
    const auto change =
        std::ranges::find(changes, key, &std::pair<std::string, std::string>::first);
    if (change == changes.end()) object.set(key, value);
  }
  for (const auto& [key, text] : changes) {
    if (!text.empty()) object.set(key, JsonValue::parse(text, "test"));
  }
  return object;
}

std::string message_for(const JsonValue& object) {
  try {
    read_layer_config(object, "config.json: a.q_proj");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(VptqLayerConfig, ReadsAPublishedLayer) {
  const VptqLayerConfig config = read_layer_config(layer_object({{"anything_else", "3"}}), "test");
  EXPECT_EQ(config.sizes.in_features, 96u);
  EXPECT_EQ(config.sizes.out_features, 50u);
  EXPECT_EQ(config.sizes.vector_len, 8u);
  EXPECT_EQ(config.sizes.num_centroids, 65536u);
  EXPECT_EQ(config.sizes.num_res_centroids, 256u);
  EXPECT_EQ(config.sizes.num_groups, 2u);
  EXPECT_EQ(config.sizes.group_size, 45u);
  EXPECT_EQ(config.sizes.outlier_size, 6u);
  EXPECT_EQ(config.sizes.outlier_vector_len, 4u);
  EXPECT_EQ(config.sizes.num_outlier_centroids, 7u);
  EXPECT_TRUE(config.has_norm);
  EXPECT_TRUE(config.has_perm);
  EXPECT_FALSE(config.has_bias);
  EXPECT_EQ(message_for(layer_object({{"num_res_centroids", "[-1, -1]"}})), "");
  EXPECT_EQ(message_for(layer_object({{"num_res_centroids", "[0, 0]"}, {"norm_dim", "0"}})), "");
}

TEST(VptqLayerConfig, EveryMissingKeyIsNamed) {
  for (const char* key :
       {"in_features", "out_features", "vector_lens", "num_centroids", "num_res_centroids",
        "group_num", "group_size", "outlier_size", "indices_as_float", "enable_norm", "enable_perm",
        "is_indice_packed", "bias"}) {
    EXPECT_THAT(message_for(layer_object({{key, ""}})),
                HasSubstr(std::string("a.q_proj has no key ") + key));
  }
}

TEST(VptqLayerConfig, WrongTypesAndImpossibleValuesAreNamed) {
  const struct {
    const char* key;
    const char* value;
    const char* message;
  } cases[] = {
      {"in_features", "\"96\"", "in_features holds \"96\" (it must be a whole number)"},
      {"in_features", "96.5", "in_features holds 96.5 (it must be a whole number)"},
      {"in_features", "-96", "in_features holds -96 (it must be between 1 and 16777216)"},
      {"out_features", "9223372036854775807",
       "out_features holds 9223372036854775807 (it must be between"},
      {"group_size", "44",
       "has 2 groups of 44 columns and 6 outlier columns, but 96 input columns"},
      {"group_num", "0", "group_num holds 0"},
      {"vector_lens", "8", "vector_lens is 8 (it must be a list of two numbers)"},
      {"vector_lens", "[4, 8, 8]", "it must be a list of two numbers"},
      {"vector_lens", "[4, -1]", "vector_lens holds -1 (vectors have 1 to 64 numbers)"},
      {"vector_lens", "[4, 65]", "vector_lens holds 65"},
      {"vector_lens", "[-1, 8]",
       "outlier_size is 6 but vector_lens and num_centroids give outliers vectors of -1"},
      {"num_centroids", "[7, 1000]",
       "num_centroids holds 1000 (it must be a power of two from 2 to 65536)"},
      {"num_centroids", "[7, 1]", "num_centroids holds 1 "},
      {"num_centroids", "[7, 131072]", "num_centroids holds 131072"},
      {"num_centroids", "[7, 128]", "num_res_centroids 256 is above num_centroids 128"},
      {"num_res_centroids", "[-1, 3]", "num_res_centroids holds 3"},
      {"num_res_centroids", "[2, 256]", "gives outliers 2 residual centroids"},
      {"indices_as_float", "true", "indices_as_float is true (only false can be read)"},
      {"is_indice_packed", "false", "is_indice_packed is false (only true can be read)"},
      {"enable_norm", "1", "enable_norm is 1 (it must be true or false)"},
      {"bias", "\"yes\"", "bias is \"yes\" (it must be true or false)"},
      {"norm_dim", "1", "norm_dim is 1 (a scale for each output cannot be read)"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(message_for(layer_object({{c.key, c.value}})), HasSubstr(c.message))
        << c.key << " " << c.value;
  }
  EXPECT_THAT(message_for(JsonValue::list()), HasSubstr("a.q_proj is no object"));
}

TEST(VptqLayerConfigs, LayersBeforeShared) {
  const JsonValue config = JsonValue::object().set(
      "quantization_config",
      JsonValue::object()
          .set("config_for_layers", JsonValue::object().set("a.q_proj", layer_object()))
          .set("shared_layer_config",
               JsonValue::object().set("q_proj", layer_object({{"bias", "true"}}))));
  const VptqLayerConfigs configs = read_layer_configs(config, "test");
  ASSERT_NE(configs.find("a.q_proj"), nullptr);
  EXPECT_FALSE(configs.find("a.q_proj")->has_bias);
  ASSERT_NE(configs.find("b.q_proj"), nullptr);
  EXPECT_TRUE(configs.find("b.q_proj")->has_bias);
  EXPECT_TRUE(configs.find("q_proj")->has_bias);
  EXPECT_EQ(configs.find("b.k_proj"), nullptr);
}

TEST(VptqLayerConfigs, HostileConfigs) {
  const auto method = [](const char* json) {
    return quant_method_of(JsonValue::parse(json, "test"), "c.json");
  };
  EXPECT_EQ(method("{}"), "");
  EXPECT_EQ(method(R"({"quantization_config": null})"), "");
  EXPECT_EQ(method(R"({"quantization_config": {"quant_method": "gptq"}})"), "gptq");
  EXPECT_THROW(method("[]"), InputError);
  EXPECT_THROW(method(R"({"quantization_config": []})"), InputError);
  EXPECT_THROW(method(R"({"quantization_config": {}})"), InputError);
  EXPECT_THROW(method(R"({"quantization_config": {"quant_method": 3}})"), InputError);
  const auto layers = [](const char* json) {
    return read_layer_configs(JsonValue::parse(json, "test"), "c.json");
  };
  EXPECT_THROW(layers(R"({"quantization_config": {}})"), InputError);
  EXPECT_THROW(layers(R"({"quantization_config": {"config_for_layers": 1}})"), InputError);
  EXPECT_THROW(layers(R"({"quantization_config": {"config_for_layers": {"a": 1}}})"), InputError);
  EXPECT_THROW(
      layers(R"({"quantization_config": {"config_for_layers": {}, "shared_layer_config": null}})"),
      InputError);
}

}  // namespace
}  // namespace tessera::format
