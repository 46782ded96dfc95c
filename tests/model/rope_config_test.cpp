#include "model/rope_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

using testing::HasSubstr;
using Kind = RopeScaling::Kind;

RopeConfig parse(const char* json) {
  const JsonValue document = JsonValue::parse(json, "config.json");
  return read_rope(ConfigFields(document, "config.json"));
}

std::string refusal(const char* json) {
  try {
    parse(json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(RopeConfig, SilenceIsTheDefault) {
  for (const char* json :
       {"{}", R"({"rope_scaling":null})", R"({"rope_scaling":{"type":"default"}})",
        R"({"rope_parameters":{"rope_type":"default"}})"}) {
    EXPECT_EQ(parse(json).theta, 10000);
    EXPECT_EQ(parse(json).scaling.kind, Kind::none);
  }
}

TEST(RopeConfig, LinearInEverySpelling) {
  for (const char* json :
       {R"({"rope_theta":500000,"rope_scaling":{"type":"linear","factor":2}})",
        R"({"rope_theta":5e5,"rope_scaling":{"rope_type":"linear","factor":2.0}})",
        R"({"rope_theta":5e5,"rope_scaling":{"rope_type":"linear","type":"linear","factor":2}})",
        R"({"rope_parameters":{"rope_theta":500000.0,"rope_type":"linear","factor":2}})"}) {
    EXPECT_EQ(parse(json).theta, 500000) << json;
    EXPECT_EQ(parse(json).scaling.kind, Kind::linear) << json;
    EXPECT_EQ(parse(json).scaling.factor, 2) << json;
  }
}

TEST(RopeConfig, Llama3) {  // as in the config of Llama 3.2 1B
  const RopeConfig rope = parse(
      R"({"rope_theta":500000.0,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,
          "low_freq_factor":1.0,"original_max_position_embeddings":8192,"rope_type":"llama3"}})");
  EXPECT_EQ(rope.scaling.kind, Kind::llama3);
  EXPECT_EQ(rope.scaling.factor, 32);
  EXPECT_EQ(rope.scaling.low_freq_factor, 1);
  EXPECT_EQ(rope.scaling.high_freq_factor, 4);
  EXPECT_EQ(rope.scaling.original_max_positions, 8192);
}

TEST(RopeConfig, UnknownKindsAndMissingNumbersAreRefused) {
  for (const char* kind : {"yarn", "dynamic", "longrope", "su"}) {
    const std::string json =
        std::string(R"({"rope_scaling":{"type":")") + kind + R"(","factor":2}})";
    EXPECT_THAT(refusal(json.c_str()),
                HasSubstr(std::string("config.json: rope_scaling.type is '") + kind + "'"));
  }
  EXPECT_THAT(refusal(R"({"rope_parameters":{"rope_type":"yarn"}})"),
              HasSubstr("rope_parameters.rope_type"));
  EXPECT_THAT(refusal(R"({"rope_scaling":{"type":"linear"}})"),
              HasSubstr("rope_scaling.factor is missing"));
  EXPECT_THAT(refusal(R"({"rope_scaling":{"type":"linear","factor":0}})"), HasSubstr("at least 1"));
  EXPECT_THAT(refusal(R"({"rope_scaling":{"type":"linear","factor":"2"}})"),
              HasSubstr("factor is \"2\""));
  EXPECT_THAT(
      refusal(
          R"({"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4}})"),
      HasSubstr("original_max_position_embeddings is missing"));
  EXPECT_THAT(
      refusal(
          R"({"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,
                         "original_max_position_embeddings":8192}})"),
      HasSubstr("above low_freq_factor"));
  EXPECT_THAT(refusal(R"({"rope_scaling":"linear"})"), HasSubstr("an object is expected"));
  EXPECT_THAT(refusal(R"({"rope_theta":0})"), HasSubstr("rope_theta is 0"));
  EXPECT_THAT(refusal(R"({"rope_theta":-1})"), HasSubstr("above 0"));
}

TEST(RopeConfig, ContradictionsAreRefused) {
  EXPECT_THAT(refusal(R"({"rope_scaling":{"type":"linear","rope_type":"llama3","factor":2}})"),
              HasSubstr("rope_scaling.type is 'linear', but rope_type is 'llama3'"));
  EXPECT_THAT(refusal(R"({"rope_theta":1e4,"rope_parameters":{"rope_theta":1e6}})"),
              HasSubstr("rope_theta is 10000, but rope_parameters.rope_theta is 1e+06"));
  EXPECT_THAT(
      refusal(
          R"({"rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_theta":1e6}})"),
      HasSubstr("Keep one of them"));
}

TEST(RopeConfig, RotationsThisProgramDoesNotMake) {
  EXPECT_THAT(refusal(R"({"partial_rotary_factor":0.5})"),
              HasSubstr("partial_rotary_factor is 0.5"));
  EXPECT_EQ(parse(R"({"partial_rotary_factor":1.0})").theta, 10000);
  EXPECT_THAT(refusal(R"({"rope_parameters":{"partial_rotary_factor":0.25}})"), HasSubstr("0.25"));
  EXPECT_THAT(refusal(R"({"rope_parameters":{"full_attention":{"rope_theta":1}}})"),
              HasSubstr("differ between layers"));
}

}  // namespace
}  // namespace tessera::model
