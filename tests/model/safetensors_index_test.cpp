#include "model/safetensors_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/safetensors_bytes.hpp"

namespace tessera::model {
namespace {

using test::input_error_of;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::string& json) {
  const std::string message = input_error_of([&] { parse_safetensors_index(json, "the index"); });
  EXPECT_THAT(message, HasSubstr("the index"));
  return message;
}

std::string refusal_of_shard(const std::string& shard) {
  return refusal("{\"weight_map\":{\"a\":" + shard + "}}");
}

TEST(SafetensorsIndex, SurvivesTheRoundTrip) {
  const ShardIndex index{{"a", "model-00001-of-00002.safetensors"},
                         {"b", "model-00002-of-00002.safetensors"}};
  const std::string json = safetensors_index_json(index, 12);
  EXPECT_THAT(json, HasSubstr("\"total_size\": 12"));
  EXPECT_EQ(parse_safetensors_index(json, "x"), index);
}

TEST(SafetensorsIndex, ShardsThatCouldLeadElsewhere) {
  for (const char* shard :
       {R"("../x.safetensors")", R"("/abs.safetensors")", R"("a/b.safetensors")",
        R"("a\\b.safetensors")", R"("")", R"(".safetensors")", R"("..")", R"("x.bin")",
        R"("a\u0000.safetensors")", "1", "null", "[]", "{}"}) {
    EXPECT_THAT(refusal_of_shard(shard),
                AllOf(HasSubstr("tensor 'a'"), HasSubstr("without path parts")))
        << shard;
  }
  EXPECT_THAT(refusal_of_shard(R"("../x.safetensors")"), HasSubstr("'../x.safetensors'"));
}

TEST(SafetensorsIndex, OtherJsonThanAnIndex) {
  for (const char* json : {"", "[", "{} x"}) EXPECT_THAT(refusal(json), HasSubstr("JSON"));
  for (const char* json : {"[]", "1", "{}", R"({"weight_map":[]})", R"({"weight_map":null})"}) {
    EXPECT_THAT(refusal(json), HasSubstr("no object weight_map"));
  }
  EXPECT_THAT(refusal(R"({"weight_map":{}})"), HasSubstr("empty"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})"),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(std::string(200'000, '[')), HasSubstr("deeper"));
}

TEST(SafetensorsIndex, ShardNamesAreThoseOfTransformers) {
  EXPECT_EQ(shard_file_name(0, 1), "model.safetensors");
  EXPECT_EQ(shard_file_name(0, 4), "model-00001-of-00004.safetensors");
  EXPECT_EQ(shard_file_name(3, 4), "model-00004-of-00004.safetensors");
  EXPECT_EQ(shard_file_name(0, 1, "other"), "other.safetensors");
  EXPECT_EQ(shard_file_name(1, 4, "other"), "other-00002-of-00004.safetensors");
  EXPECT_EQ(index_file_name(), "model.safetensors.index.json");
  EXPECT_EQ(index_file_name("other"), "other.safetensors.index.json");
}

}  // namespace
}  // namespace tessera::model
