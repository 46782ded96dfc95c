#include "model/attention_window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::model {
namespace {

using testing::HasSubstr;

constexpr std::size_t kNumBlocks = 4;

std::optional<std::size_t> window_of(std::string_view family, const char* json) {
  const JsonValue document = JsonValue::parse(json, "config.json");
  for (const Architecture& row : architectures()) {
    if (row.model_type == family) {
      return read_attention_window(ConfigFields(document, "config.json"), row, kNumBlocks);
    }
  }
  throw Bug("no such family");
}

std::string refusal(std::string_view family, const char* json) {
  try {
    window_of(family, json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(AttentionWindow, LlamaHasNone) {
  EXPECT_EQ(window_of("llama", R"({"sliding_window":16})"), std::nullopt);
}

TEST(AttentionWindow, Phi3sIsOffUnlessItHasAValue) {
  EXPECT_EQ(window_of("phi3", "{}"), std::nullopt);
  EXPECT_EQ(window_of("phi3", R"({"sliding_window":null})"), std::nullopt);
  EXPECT_EQ(window_of("phi3", R"({"sliding_window":2047})"), 2047u);
}

TEST(AttentionWindow, MistralsIsOnUnlessNull) {
  EXPECT_EQ(window_of("mistral", "{}"), 4096u);
  EXPECT_EQ(window_of("mistral", R"({"sliding_window":16,"max_window_layers":2})"), 16u);
  EXPECT_EQ(window_of("mistral", R"({"sliding_window":null})"), std::nullopt);
  EXPECT_THAT(refusal("mistral", R"({"sliding_window":0})"), HasSubstr("sliding_window is 0"));
}

TEST(AttentionWindow, QwensNeedsItsSwitchAndBeginsAfterSomeBlocks) {
  for (const char* family : {"qwen2", "qwen3"}) {
    EXPECT_EQ(window_of(family, R"({"sliding_window":16,"max_window_layers":0})"), std::nullopt);
    EXPECT_EQ(window_of(family, R"({"use_sliding_window":true,"sliding_window":16})"),
              std::nullopt);
    EXPECT_EQ(window_of(family,
                        R"({"use_sliding_window":true,"sliding_window":16,"max_window_layers":0})"),
              16u);
    EXPECT_EQ(window_of(family,
                        R"({"use_sliding_window":true,"sliding_window":16,"max_window_layers":4})"),
              std::nullopt);
    EXPECT_EQ(window_of(family, R"({"use_sliding_window":true,"sliding_window":null})"),
              std::nullopt);
    EXPECT_THAT(
        refusal(family, R"({"use_sliding_window":true,"sliding_window":16,"max_window_layers":1})"),
        HasSubstr("applies to 3 of 4 blocks only"));
    EXPECT_THAT(refusal(family, R"({"use_sliding_window":true,"max_window_layers":-1})"),
                HasSubstr("max_window_layers is -1"));
  }
}

TEST(AttentionWindow, LayerTypesHaveTheLastWord) {
  const char* head =
      R"({"use_sliding_window":true,"sliding_window":8,"max_window_layers":0,"layer_types":)";
  const auto with = [&](const char* types) { return std::string(head) + types + "}"; };
  const std::string full = R"("full_attention")";
  const std::string sliding = R"("sliding_attention")";
  const auto four = [](const std::string& a, const std::string& b) {
    return "[" + a + "," + a + "," + a + "," + b + "]";
  };
  EXPECT_EQ(window_of("qwen2", with(four(full, full).c_str()).c_str()), std::nullopt);
  EXPECT_EQ(window_of("qwen2", with(four(sliding, sliding).c_str()).c_str()), 8u);
  EXPECT_THAT(refusal("qwen2", with(four(full, sliding).c_str()).c_str()),
              HasSubstr("1 of 4 blocks"));
  EXPECT_THAT(refusal("qwen2", with(four(full, "\"chunked\"").c_str()).c_str()),
              HasSubstr("'chunked'"));
  EXPECT_THAT(refusal("qwen2", with("[]").c_str()), HasSubstr("not a list of 4 names"));
}

}  // namespace
}  // namespace tessera::model
