#include "jobs/recipes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/in_memory_source.hpp"

namespace tessera::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

LayerUnit unit_of(const QuantizeJob& job, std::uint64_t rows, std::uint64_t cols) {
  const auto config = test::tiny_config();
  QuantizeSettings all = job.quantize;
  LayerUnit unit = plan_units(config, all).front();
  unit.layer.out_features = rows;
  unit.layer.in_features = cols;
  return unit;
}

std::vector<std::string> texts(const QuantizeJob& job, const LayerUnit& unit) {
  std::vector<std::string> found;
  for (const Recipe& recipe : recipes_of(job, unit)) found.push_back(recipe_text(recipe.unit));
  return found;
}

QuantizeJob codebooks() {
  QuantizeJob job;
  job.quantize.vptq.vector_len = 4;
  job.quantize.vptq.num_centroids = 256;
  job.quantize.budget.bits_per_weight = 2.25;
  return job;
}

TEST(Recipes, AreAroundTheMethodsOwn) {
  const QuantizeJob job = codebooks();
  EXPECT_THAT(texts(job, unit_of(job, 64, 96)),
              ElementsAre("v=4 K=256", "v=4 K=64", "v=4 K=128", "v=4 K=512", "v=4 K=1024",
                          "v=4 K=2048", "v=4 K=4096", "v=4 K=256 Kr=16", "v=4 K=256 Kr=256"));
  QuantizeJob wide = job;
  wide.quantize.vptq.num_centroids = 65536;
  wide.quantize.vptq.num_res_centroids = 32768;  // not above the main one
  EXPECT_THAT(texts(wide, unit_of(wide, 64, 96)),
              ElementsAre("v=4 K=65536 Kr=32768", "v=4 K=32768 Kr=32768", "v=4 K=65536 Kr=16",
                          "v=4 K=65536 Kr=256"));
}

TEST(Recipes, OfIntegersAreWhatTheFormatCanMix) {
  QuantizeJob job;
  job.quantize.method = Method::gptq;
  job.output.format = OutputFormat::compressed_tensors;
  // 96 columns: groups of 128 are one scale a row, and 64 does not divide them.
  EXPECT_THAT(texts(job, unit_of(job, 64, 96)),
              ElementsAre("W4A16 group 128", "W2A16 group 128", "W2A16 group 32", "W3A16 group 128",
                          "W3A16 group 32", "W4A16 group 32", "W8A16 group 128", "W8A16 group 32"));
}

TEST(Recipes, KnowTheirBits) {
  QuantizeJob job = codebooks();
  job.quantize.budget.candidates.emplace_back().num_centroids = 16;
  const auto recipes = recipes_of(job, unit_of(job, 64, 96));
  ASSERT_EQ(recipes.size(), 2U);
  // 16 rows of 96 indices in whole 32 bits, codebook, scale and bias of each column
  EXPECT_EQ(recipes[0].bits, 16U * 96 * 8 + 256 * 4 * 16 + 2 * 96 * 16);
  EXPECT_EQ(recipes[1].bits, 16U * 96 * 4 + 16 * 4 * 16 + 2 * 96 * 16);
  job.residual.bits = 4;  // its codes, a half for each row, 10 bytes for each channel
  EXPECT_EQ(recipes_of(job, unit_of(job, 64, 96))[1].bits - recipes[1].bits,
            4U * 64 * 96 + 16 * 64 + 80 * 96);
}

TEST(Recipes, LeaveOutWhatTheFormatCannotHold) {
  QuantizeJob job = codebooks();
  for (const int groups : {7, 3}) job.quantize.budget.candidates.emplace_back().num_groups = groups;
  EXPECT_THAT(texts(job, unit_of(job, 64, 96)), ElementsAre("v=4 K=256", "v=4 K=256 groups=3"));
}

TEST(Recipes, OfALayerWithAnOverrideAreThatAlone) {
  QuantizeJob job = codebooks();
  job.quantize.overrides.push_back({".*", job.quantize.vptq});
  EXPECT_THAT(texts(job, unit_of(job, 64, 96)), ElementsAre("v=4 K=256"));
}

TEST(Budget, OfNoLayersIsNothing) {
  EXPECT_EQ(budget_bits(codebooks(), {}), 0U);
  EXPECT_NO_THROW(require_possible_budget(codebooks(), {}));
}

TEST(Budget, SaysTheLeastThatIsPossible) {
  QuantizeJob job = codebooks();
  job.quantize.budget.candidates.emplace_back().num_centroids = 16;
  const std::vector<LayerUnit> units = {unit_of(job, 64, 96)};
  // (16 96 4 + 16 4 16 + 2 96 16) / (64 96) = 1.66667, rounded up
  EXPECT_NO_THROW(require_possible_budget(job, units));
  job.quantize.budget.bits_per_weight = 1.66;
  EXPECT_THAT([&] { require_possible_budget(job, units); },
              testing::ThrowsMessage<InputError>(
                  HasSubstr("bits_per_weight is 1.66 (the cheapest candidates of all layers take "
                            "1.6667,")));
  job.quantize.budget.bits_per_weight = 1.6667;
  EXPECT_NO_THROW(require_possible_budget(job, units));
}

}  // namespace
}  // namespace tessera::jobs
