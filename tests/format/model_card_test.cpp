#include "format/model_card.hpp"

#include <gmock/gmock.h>

#include "format/integer_schemes.hpp"

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
  card.format = vptq_text(true, false);
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
  twice.format = vptq_text(true, true);
  EXPECT_THAT(model_card(twice), HasSubstr("stored beside them all the same"));
  EXPECT_THAT(model_card(twice), HasSubstr("device_map={\"\": \"cpu\"}"));
  ModelCard untied = card();
  untied.format = vptq_text(false, false);
  EXPECT_THAT(model_card(untied), Not(HasSubstr("tied")));
  EXPECT_THAT(model_card(untied), HasSubstr("vptq's own loader works too"));
}

TEST(ModelCard, IntegersInCompressedTensors) {
  ModelCard integers = card();
  integers.format = integer_text(IntegerFormat::compressed_tensors, {.bits = 4, .group_size = 128});
  const std::string text = model_card(integers);
  EXPECT_THAT(text, HasSubstr("tags:\n- compressed-tensors\n- tessera\n"));
  EXPECT_THAT(text,
              HasSubstr("blocks quantized to 4-bit integers (symmetric, groups of 128 inputs)"));
  EXPECT_THAT(text, HasSubstr("| packed layers (codes, scales, shapes) | 1000 |"));
  EXPECT_THAT(text, HasSubstr("`compressed-tensors` (checked with 4.57.6 and 0.20.0)"));
  EXPECT_THAT(text, Not(HasSubstr("0.18")));
  integers.format = integer_text(IntegerFormat::compressed_tensors, {.bits = 3});
  EXPECT_THAT(model_card(integers), HasSubstr("`compressed-tensors>=0.18`"));
  integers.format =
      integer_text(IntegerFormat::compressed_tensors, {.bits = 8, .input = InputQuantization()});
  EXPECT_THAT(
      model_card(integers),
      HasSubstr("(symmetric, a scale for each output row), their inputs to 8 bits token by"));
  EXPECT_THAT(model_card(integers), HasSubstr("max|x| / 127.5"));
  const std::vector<SchemeGroup> mixed = {{{.bits = 2}, {"a"}}, {{.bits = 4}, {"b"}}};
  integers.format = integer_text(IntegerFormat::compressed_tensors, mixed);
  EXPECT_THAT(model_card(integers), HasSubstr("integers of 2, 4 bits, each layer with its own"));
}

TEST(ModelCard, IntegersInGptq) {
  ModelCard integers = card();
  integers.format = integer_text(IntegerFormat::gptq, {.bits = 4, .group_size = 128});
  EXPECT_THAT(model_card(integers), HasSubstr("GPTQConfig(bits=4, backend=\"torch\")"));
  EXPECT_THAT(model_card(integers), Not(HasSubstr("gptq_v2")));
  integers.format = integer_text(IntegerFormat::gptq, {.bits = 4, .is_symmetric = false});
  EXPECT_THAT(model_card(integers), HasSubstr("gptqmodel's own loader refuses asymmetric"));
  integers.format = integer_text(IntegerFormat::gptq, {.bits = 3});
  EXPECT_THAT(model_card(integers), HasSubstr("`checkpoint_format: gptq_v2`"));
}

}  // namespace
}  // namespace tessera::format
