#include "format/model_card.hpp"

#include <gmock/gmock.h>

namespace tessera::format {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ModelCard card() {
  ModelCard card;
  card.name = "smollm2-vptq-2bit";
  card.base_model = "smollm2: \"instruct\"";
  card.recipe = {"vptq, vector_len 4", "calibrated on 64 x 512 tokens"};
  card.size = {1000, 2062, 100, 1600};
  card.original_bytes = 3 << 20;
  card.has_tied_head = true;
  card.version = "0.1.0";
  return card;
}

TEST(ModelCard, SaysWhatItIsWhatItWeighsAndHowItLoads) {
  const std::string text = model_card(card());
  EXPECT_THAT(
      text,
      StartsWith("---\nlibrary_name: transformers\nbase_model: \"smollm2: \\\"instruct\\\"\"\n"));
  EXPECT_THAT(text, HasSubstr("# smollm2-vptq-2bit\n"));
  EXPECT_THAT(text, HasSubstr("- calibrated on 64 x 512 tokens\n"));
  EXPECT_THAT(text, HasSubstr("| 1000 | 2062 | 2.0620 |"));
  EXPECT_THAT(text, HasSubstr("| 1100 | 3662 | 3.3291 |"));
  EXPECT_THAT(text, HasSubstr("`transformers>=4.48,<5` and `vptq==0.0.5.post1`"));
  EXPECT_THAT(text, HasSubstr("output.store_tied_head: true"));
  EXPECT_THAT(text, Not(HasSubstr("## Scores")));
}

TEST(ModelCard, ScoresStandWithTheirConditions) {
  ModelCard scored = card();
  scored.scores = {{"perplexity", "wiki.test.raw, context 2048", 20.363, 100.5},
                   {"loss", "nothing to compare", {}, 2}};
  const std::string text = model_card(scored);
  EXPECT_THAT(text,
              HasSubstr("| perplexity | wiki.test.raw, context 2048 | 20.3630 | 100.5000 |\n"));
  EXPECT_THAT(text, HasSubstr("| loss | nothing to compare |  | 2.0000 |\n"));
}

TEST(ModelCard, TiedHeads) {
  ModelCard twice = card();
  twice.stores_tied_head = true;
  EXPECT_THAT(model_card(twice), HasSubstr("stored beside them all the same"));
  EXPECT_THAT(model_card(twice), HasSubstr("device_map={\"\": \"cpu\"}"));
  ModelCard untied = card();
  untied.has_tied_head = false;
  EXPECT_THAT(model_card(untied), Not(HasSubstr("tied")));
  EXPECT_THAT(model_card(untied), HasSubstr("vptq's own loader works too"));
}

}  // namespace
}  // namespace tessera::format
