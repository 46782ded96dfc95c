#include "jobs/plan.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "jobs/planned_sizes.hpp"

namespace tessera::jobs {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

model::ModelConfig tiny() {
  model::ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 64;
  config.intermediate_size = 172;
  config.num_blocks = 3;
  config.num_heads = 8;
  config.num_kv_heads = 4;
  config.head_dim = 8;
  config.vocab_size = 512;
  return config;
}

QuantizeSettings settings() {
  QuantizeSettings s;
  s.vptq.vector_len = 4;
  s.vptq.num_centroids = 16;
  return s;
}

TEST(PlanUnits, TakesEveryTargetedLayerInTheOrderOfTheModel) {
  const auto units = plan_units(tiny(), settings());
  ASSERT_EQ(units.size(), 21u);
  EXPECT_EQ(units.front().layer.name, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(units.back().layer.name, "model.layers.2.mlp.down_proj");
  EXPECT_THAT(blocks_of(units), testing::ElementsAre(0, 1, 2));
}

TEST(PlanUnits, RefusesTargetsThatMatchNothing) {
  QuantizeSettings s = settings();
  s.targets = {"experts"};
  EXPECT_THAT([&] { plan_units(tiny(), s); },
              ThrowsMessage<InputError>(HasSubstr("model.layers.0.mlp.down_proj")));
}

TEST(PlanUnits, RefusesAnOverrideThatMatchesNothing) {
  QuantizeSettings s = settings();
  s.overrides = {{"layers\\.7\\..*", s.vptq}};
  EXPECT_THAT([&] { plan_units(tiny(), s); }, ThrowsMessage<InputError>(HasSubstr("layers\\.7")));
}

TEST(PlanUnits, GivesALayerItsOverride) {
  QuantizeSettings s = settings();
  s.overrides = {{"layers\\.1\\.mlp\\.down_proj", s.vptq}};
  s.overrides[0].vptq.num_centroids = 64;
  for (const LayerUnit& unit : plan_units(tiny(), s)) {
    const bool is_it = unit.layer.name == "model.layers.1.mlp.down_proj";
    EXPECT_EQ(unit.vptq().num_centroids, is_it ? 64 : 16) << unit.layer.name;
  }
}

TEST(RolesOfBlock, NamesOnlyWhatSomeUnitReads) {
  QuantizeSettings s = settings();
  s.targets = {"layers\\.1\\.self_attn\\.[qk]_proj", "layers\\.1\\.mlp\\.down_proj"};
  const auto units = plan_units(tiny(), s);
  EXPECT_THAT(roles_of_block(units, 0), testing::IsEmpty());
  EXPECT_THAT(roles_of_block(units, 1), testing::ElementsAre(model::InputRole::attention_input,
                                                             model::InputRole::mlp_hidden));
  EXPECT_THAT(blocks_of(units), testing::ElementsAre(1));
}

TEST(BiggestFirst, IsAPermutationWithFallingCostAndKeepsEqualOnesInOrder) {
  const auto units = plan_units(tiny(), settings());
  const auto order = biggest_first(units);
  EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), units.size());
  for (std::size_t i = 1; i < order.size(); ++i) {
    const double before = solve_cost(units[order[i - 1]]);
    const double after = solve_cost(units[order[i]]);
    EXPECT_GE(before, after);
    if (before == after) {
      EXPECT_LT(order[i - 1], order[i]);
    }
  }
}

TEST(PlannedSizes, CutCodebooksThatALayerCannotFill) {
  auto unit = plan_units(tiny(), settings()).front();
  std::get<solver::VptqSettings>(unit.settings).num_centroids =
      65536;  // q_proj has 64 * 64 / 4 = 1024 vectors
  const auto sizes = std::get<solver::VptqLayer>(planned_sizes(unit, StoredType::float16));
  EXPECT_EQ(sizes.num_centroids, 1024u);
  EXPECT_EQ(sizes.group_size, 64u);
}

TEST(PlannedSizes, OfIntegersFollowTheScheme) {
  QuantizeSettings s = settings();
  s.method = Method::aweq;
  s.aweq.integers.group_size = 24;
  const auto sizes = std::get<solver::IntegerLayer>(
      planned_sizes(plan_units(tiny(), s).front(), StoredType::bfloat16));
  EXPECT_EQ(sizes.bits, 4u);
  EXPECT_EQ(sizes.num_groups(), 3u);  // 64 columns, the last group shorter
  EXPECT_EQ(sizes.scale_type, StoredType::bfloat16);
  EXPECT_FALSE(sizes.input);
  s.aweq.integers.scheme = solver::Scheme::w8a8;
  const auto whole = std::get<solver::IntegerLayer>(
      planned_sizes(plan_units(tiny(), s).front(), StoredType::float16));
  EXPECT_EQ(whole.group_size, 64u);  // 8-bit inputs have a scale for each output
  EXPECT_TRUE(whole.input && whole.input->is_dynamic);
}

/// Rows for trials are kept only where 8-bit inputs are balanced, and where residuals are made.
TEST(Extras, AreKeptWhereSomethingReadsThem) {
  QuantizeJob job;
  job.calibration.num_samples = 4;
  job.calibration.max_seq_length = 10;
  EXPECT_EQ(extras_of(job).sample.num_rows, 0u);
  job.quantize.method = Method::aweq;
  EXPECT_EQ(extras_of(job).sample.num_rows, 0u);
  job.quantize.aweq.integers.scheme = solver::Scheme::w8a8;
  EXPECT_EQ(extras_of(job).sample.num_rows, 36u);  // all but the samples' first
  job.calibration.max_seq_length = 10000;
  EXPECT_EQ(extras_of(job).sample.num_rows, 256u);
  EXPECT_EQ(extras_of(job).k_chunk, 0u);
  QuantizeJob with_residuals;
  with_residuals.residual.k_chunk = 32;
  EXPECT_EQ(extras_of(with_residuals), calibration::StatisticsExtras{})
      << "bits is 0: none are made";
  with_residuals.residual.bits = 4;
  EXPECT_EQ(extras_of(with_residuals).k_chunk, 32u);
  EXPECT_EQ(extras_of(with_residuals).sample.num_rows, 256u);
}

TEST(PlannedSizes, NameTheLayerWhoseColumnsTheGroupsDoNotDivide) {
  auto unit = plan_units(tiny(), settings()).front();
  std::get<solver::VptqSettings>(unit.settings).num_groups = 3;
  EXPECT_THAT([&] { planned_sizes(unit, StoredType::float16); },
              ThrowsMessage<InputError>(HasSubstr("model.layers.0.self_attn.q_proj: num_groups")));
}

TEST(FileNames, AreThoseOfTheWorkFolder) {
  const auto slabs = slab_files(tiny(), plan_units(tiny(), settings()), 2);
  ASSERT_EQ(slabs.size(), 4u);  // one an input: none is large
  EXPECT_EQ(slabs.back().file, "calibration/block-00002/statistics-mlp_hidden-00000-of-00001.h5");
  EXPECT_EQ(solved_file(model::linear_layer(tiny(), 2, model::LinearRole::down)),
            "solved/block-00002/mlp.down_proj.h5");
}

}  // namespace
}  // namespace tessera::jobs
