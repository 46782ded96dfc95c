#include "format/integer_file_config.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using ::testing::HasSubstr;
using Layout = IntegerFileConfig::Layout;

const std::string kPacked =
    R"({"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized",
        "quantization_status": "compressed", "version": "0.18.0", "config_groups": {"group_0": {
        "targets": ["Linear"], "weights": {"num_bits": 3, "type": "int", "symmetric": true,
        "strategy": "group", "group_size": 32, "dynamic": false, "actorder": null},
        "input_activations": null, "output_activations": null}}, "ignore": ["lm_head", "a.b"]}})";
const std::string kInt8 =
    R"({"quantization_config": {"quant_method": "compressed-tensors", "format": "int-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8,
        "type": "int", "symmetric": true, "strategy": "channel", "group_size": null},
        "input_activations": {"num_bits": 8, "type": "int", "symmetric": false,
        "strategy": "tensor", "dynamic": false}}}, "ignore": ["re:.*head"]}})";
const std::string kGptq =
    R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": -1,
        "desc_act": false, "sym": false, "lm_head": false, "checkpoint_format": "gptq_v2"}})";

IntegerFileConfig read(const std::string& json) {
  return read_integer_config(JsonValue::parse(json, "test"), "c.json");
}

/// What reading @p json with @p from replaced by @p to throws.
std::string message(std::string json, const std::string& from, const std::string& to) {
  const std::size_t place = json.find(from);
  EXPECT_NE(place, json.npos) << from;
  json.replace(place, from.size(), to);
  try {
    read(json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(IntegerFileConfig, ReadsThePublishedForms) {
  const IntegerFileConfig packed = read(kPacked);
  EXPECT_EQ(packed.layout, Layout::pack_quantized);
  EXPECT_EQ(packed.scheme.bits, 3u);
  EXPECT_EQ(packed.scheme.group_size, 32u);
  EXPECT_TRUE(packed.left_alone.contains("a.b"));
  EXPECT_FALSE(packed.has_patterns);
  const IntegerFileConfig int8 = read(kInt8);
  EXPECT_EQ(int8.layout, Layout::int_quantized);
  EXPECT_EQ(int8.scheme.group_size, 0u);
  EXPECT_FALSE(int8.scheme.input->is_dynamic);
  EXPECT_FALSE(int8.scheme.input_is_symmetric);
  EXPECT_TRUE(int8.has_patterns);
  const IntegerFileConfig gptq = read(kGptq);
  EXPECT_EQ(gptq.layout, Layout::gptq);
  EXPECT_EQ(gptq.scheme.group_size, 0u);
  EXPECT_FALSE(gptq.scheme.is_symmetric);
  EXPECT_TRUE(gptq.has_whole_zero_points);
  // What AutoGPTQ left out meant v1.
  const IntegerFileConfig old =
      read(R"({"quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": 128}})");
  EXPECT_FALSE(old.has_whole_zero_points);
  EXPECT_TRUE(old.scheme.is_symmetric);
}

const std::string kTwoGroups =
    R"({"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized",
        "version": "0.18.0", "config_groups": {
        "group_0": {"targets": ["a.q", "a.k"], "weights": {"num_bits": 2, "strategy": "group",
                    "group_size": 32}},
        "group_1": {"targets": ["a.v"], "weights": {"num_bits": 4, "strategy": "channel"}}}}})";

TEST(IntegerFileConfig, ReadsSeveralGroupsThatNameTheirLayers) {
  const IntegerFileConfig config = read(kTwoGroups);
  EXPECT_EQ(config.layout, Layout::pack_quantized);
  ASSERT_EQ(config.scheme_of.size(), 3u);
  EXPECT_EQ(config.scheme_of.at("a.k").bits, 2u);
  EXPECT_EQ(config.scheme_of.at("a.k").group_size, 32u);
  EXPECT_EQ(config.scheme_of.at("a.v").bits, 4u);
  EXPECT_EQ(config.scheme_of.at("a.v").group_size, 0u);
  EXPECT_THAT(message(kTwoGroups, "\"a.v\"", "\"a.q\""),
              HasSubstr("group_1.targets holds 'a.q', which an earlier group holds, too"));
  EXPECT_THAT(message(kTwoGroups, "\"a.v\"", "\"re:.*v\""),
              HasSubstr("targets holds what is no layer's name"));
  EXPECT_THAT(message(kTwoGroups, "[\"a.v\"]", "[\"Linear\"]"),
              HasSubstr("targets holds what is no layer's name"));
  EXPECT_THAT(message(kTwoGroups, "0.18.0", "0.15.0"), testing::IsEmpty());
  EXPECT_THAT(message(kTwoGroups, "\"num_bits\": 2", "\"num_bits\": 5"),
              HasSubstr("group_0.weights.num_bits is 5"));
}

TEST(IntegerFileConfig, NamesKeyValueAndWhatCanBeRead) {
  EXPECT_THAT(message(kPacked, "\"num_bits\": 3", "\"num_bits\": 5"),
              HasSubstr("c.json: quantization_config.config_groups.group_0.weights.num_bits is 5 "
                        "(this program reads 2, 3, 4 and 8)"));
  EXPECT_THAT(message(kPacked, "\"symmetric\": true", "\"symmetric\": false"),
              HasSubstr("symmetric is false"));
  EXPECT_THAT(message(kPacked, "\"type\": \"int\"", "\"type\": \"float\""),
              HasSubstr("type is 'float' (this program reads int)"));
  EXPECT_THAT(message(kPacked, "\"strategy\": \"group\"", "\"strategy\": \"channel\""),
              HasSubstr("strategy is 'channel' with group_size 32"));
  EXPECT_THAT(message(kPacked, "\"group_size\": 32", "\"group_size\": -2"),
              HasSubstr("group_size"));
  EXPECT_THAT(message(kPacked, "\"actorder\": null", "\"actorder\": \"group\""),
              HasSubstr("actorder asks for what this program does not do"));
  EXPECT_THAT(message(kPacked, "pack-quantized", "marlin-24"),
              HasSubstr("format is 'marlin-24' (this program reads pack-quantized)"));
  EXPECT_THAT(message(kPacked, "[\"Linear\"]", "[\"re:.*q_proj\"]"),
              HasSubstr("targets is not [\"Linear\"]"));
  EXPECT_THAT(message(kPacked, "\"quantization_status\": \"compressed\"",
                      "\"quantization_status\": \"frozen\""),
              HasSubstr("quantization_status is 'frozen'"));
  EXPECT_THAT(message(kPacked, "\"version\"", R"("kv_cache_scheme": {"num_bits": 8}, "version")"),
              HasSubstr("kv_cache_scheme asks for what"));
  EXPECT_THAT(message(kPacked, "[\"lm_head\", \"a.b\"]", "[3]"), HasSubstr("ignore holds what"));
  EXPECT_THAT(message(kPacked, "[\"lm_head\", \"a.b\"]", "3"), HasSubstr("ignore is no list"));
  EXPECT_THAT(message(kInt8, "\"num_bits\": 8", "\"num_bits\": 4"),
              HasSubstr("not of 8 bits with one scale a row"));
  EXPECT_THAT(message(kInt8, "\"tensor\"", "\"token\""), HasSubstr("strategy is 'token'"));
  EXPECT_THAT(message(kGptq, "\"bits\": 4", "\"bits\": 4.5"), HasSubstr("bits is 4.5"));
  EXPECT_THAT(message(kGptq, "gptq_v2", "marlin"), HasSubstr("checkpoint_format is 'marlin'"));
  EXPECT_THAT(message(kGptq, "\"lm_head\": false", "\"lm_head\": true"),
              HasSubstr("lm_head is true"));
  EXPECT_THAT(message(kGptq, "\"desc_act\": false", "\"desc_act\": true"),
              HasSubstr("desc_act is true (this program reads false)"));
  EXPECT_THAT(message(kGptq, "\"lm_head\"", R"("dynamic": {"+:a": {"bits": 8}}, "lm_head")"),
              HasSubstr("dynamic has '+:a'"));
  EXPECT_THAT(message(kGptq, "\"gptq\"", "\"vptq\""), HasSubstr("quant_method is 'vptq'"));
}

// Padded before 0.18 and dense since; the files look alike.
TEST(IntegerFileConfig, ThreeBitsNeedAVersion) {
  for (const char* version : {"0.17.1", "0.9.0", "", "x"}) {
    EXPECT_THAT(message(kPacked, "0.18.0", version), HasSubstr("0.18 and later")) << version;
  }
  for (const char* version : {"0.18.0", "0.20.0", "1.0.0", "0.19.1.dev3"}) {
    EXPECT_EQ(message(kPacked, "0.18.0", version), "") << version;
  }
}

TEST(IntegerFileConfig, HostileConfigs) {
  for (const char* json :
       {"[]", "{}", R"({"quantization_config": 1})", R"({"quantization_config": {}})",
        R"({"quantization_config": {"quant_method": 1}})",
        R"({"quantization_config": {"quant_method": "gptq"}})",
        R"({"quantization_config": {"quant_method": "compressed-tensors"}})",
        R"({"quantization_config": {"quant_method": "compressed-tensors",
                               "config_groups": {"a": 1}}})"}) {
    EXPECT_THROW(read(json), InputError) << json;
  }
}

}  // namespace
}  // namespace tessera::format
