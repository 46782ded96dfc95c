#include "jobs/settings/layer_choice.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kLayer = "model.layers.0.mlp.down_proj";

TEST(Pattern, MatchesTheWholePathOrATailAfterADot) {
  for (const char* pattern :
       {".*_proj", "down_proj", "mlp\\.down_proj", "layers\\.0\\..*", "layers\\.0\\..*down_proj",
        "model\\.layers\\.0\\.mlp\\.down_proj", "(up|down)_proj", "up_proj|down_proj", "model.*"}) {
    EXPECT_TRUE(matches(pattern, kLayer)) << pattern;
  }
  for (const char* pattern : {"proj", "_proj", "layers\\.0", "down", "layers\\.1\\..*", "",
                              "lm_head", "wn_proj", "mlp"}) {
    EXPECT_FALSE(matches(pattern, kLayer)) << pattern;
  }
}

TEST(Pattern, ABlocksNumberIsNoTailOfAnother) {
  EXPECT_FALSE(matches("layers\\.0\\..*", "model.layers.10.mlp.up_proj"));
  EXPECT_TRUE(matches("layers\\.10\\..*", "model.layers.10.mlp.up_proj"));
}

TEST(Pattern, ABadOneIsTheUsersMistake) {
  EXPECT_THROW(matches("(", kLayer), InputError);
}

TEST(IsTarget, TargetsLessIgnored) {
  QuantizeSettings s;
  EXPECT_TRUE(is_target(s, kLayer));
  EXPECT_FALSE(is_target(s, "lm_head"));
  EXPECT_FALSE(is_target(s, "model.embed_tokens"));
  s.ignore = {"down_proj"};
  EXPECT_FALSE(is_target(s, kLayer));
  EXPECT_TRUE(is_target(s, "model.layers.0.mlp.up_proj"));
  s.targets = {};
  EXPECT_FALSE(is_target(s, "model.layers.0.mlp.up_proj"));
}

TEST(SettingsFor, TheFirstOverrideThatMatchesWins) {
  QuantizeSettings s;
  s.seed = 7;
  s.vptq.vector_len = 4;
  auto first = s.vptq, second = s.vptq;
  first.vector_len = 6;
  second.vector_len = 12;
  s.overrides = {{"layers\\.0\\..*", first}, {".*_proj", second}};
  EXPECT_EQ(vptq_settings_for(s, kLayer).vector_len, 6);
  EXPECT_EQ(vptq_settings_for(s, "model.layers.1.mlp.up_proj").vector_len, 12);
  EXPECT_EQ(vptq_settings_for(s, "lm_head").vector_len, 4);
  EXPECT_EQ(vptq_settings_for(s, kLayer).seed, 7U);
  EXPECT_EQ(vptq_settings_for(s, "lm_head").seed, 7U);
}

}  // namespace
}  // namespace tessera::jobs
