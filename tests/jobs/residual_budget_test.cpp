#include "jobs/residual_budget.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

using residual::SelectionRule;
using testing::HasSubstr;

/// Layers of 1024 inputs and 8 outputs: a k_chunk is a channel of 4 bytes, and scales take 16.
struct SomeLayers {
  explicit SomeLayers(const std::vector<std::vector<double>>& errors) {
    prepared.job.residual.bits = 4;
    for (const auto& of_layer : errors) {
      LayerUnit& unit = prepared.units.emplace_back();
      unit.layer.name = "layer" + std::to_string(prepared.units.size());
      unit.layer.in_features = 1024;
      unit.layer.out_features = 8;
      LayerReport& report = reports.emplace_back();
      report.in_features = 1024;
      report.out_features = 8;
      report.bits = 2;
      const std::uint64_t k_chunks[] = {0, 8, 32};
      for (std::size_t i = 0; i < of_layer.size(); ++i) {
        report.compensation.push_back({SelectionRule::exact, k_chunks[i], of_layer[i], 1});
        report.compensation.push_back({SelectionRule::random, k_chunks[i], 1, 1});
      }
    }
  }
  ResidualBudget planned(std::uint64_t bytes) {
    prepared.job.residual.budget.bytes_per_token = bytes;
    return plan_residual_budget(prepared, reports);
  }
  PreparedRun prepared;
  std::vector<LayerReport> reports;
};

TEST(ResidualBudget, UniformIsTheLargestThatCostsNoMore) {
  SomeLayers two({{1, .5, .2}, {1, .5, .2}});
  EXPECT_EQ(two.planned(39).uniform_k_chunk, 0u) << "2 * (4 + 16) for one channel each";
  EXPECT_EQ(two.planned(40).uniform_k_chunk, 1u);
  EXPECT_EQ(two.planned(95).uniform_k_chunk, 7u);
  EXPECT_EQ(two.planned(96).uniform_k_chunk, 8u);
  EXPECT_EQ(two.planned(1u << 30).uniform_k_chunk, 1024u);
  two.reports[0].is_kept = true;
  EXPECT_EQ(two.planned(96).uniform_k_chunk, 20u) << "a layer that lost nothing costs nothing";
}

// Both layers have 2 bits and 8192 weights: 4096 bytes. An RTX 4090 reads 1008 GB/s and fetches 32.
TEST(ResidualBudget, OfADeviceIsWhatItsBusCarries) {
  SomeLayers two({{1, .5, .2}, {1, .5, .2}});
  two.prepared.job.residual.budget.device = "RTX 4090";
  const auto budget = two.planned(0);
  EXPECT_EQ(budget.bytes_per_token, 130u);
  EXPECT_THAT(budget.text, HasSubstr("predicted for RTX 4090"));
}

TEST(ResidualBudget, ErrorsLieBetweenThoseMeasured) {
  const SomeLayers one({{1, .5, .2}});
  EXPECT_DOUBLE_EQ(error_left(one.reports[0], 0), 1);
  EXPECT_DOUBLE_EQ(error_left(one.reports[0], 2), .875);
  EXPECT_DOUBLE_EQ(error_left(one.reports[0], 8), .5);
  EXPECT_DOUBLE_EQ(error_left(one.reports[0], 20), .35);
  EXPECT_DOUBLE_EQ(error_left(one.reports[0], 1024), .2);
  EXPECT_EQ(error_left({}, 8), 0);
}

TEST(ResidualBudget, CountsATokensShareOfAnExpert) {
  SomeLayers one({{1, .5, .2}});
  LayerUnit& unit = one.prepared.units[0];
  one.prepared.config.num_experts = 5;
  one.prepared.config.experts_per_token = 2;
  EXPECT_EQ(fetched_bytes(one.prepared.config, unit, 0, 4), 0u);
  EXPECT_EQ(fetched_bytes(one.prepared.config, unit, 8, 4), 48u);
  unit.layer.expert = 3;
  EXPECT_EQ(fetched_bytes(one.prepared.config, unit, 8, 4), 20u) << "19.2, rounded up";
}

// 192 bytes are 20 channels for each, or 30 (136 bytes) and 10 (56): two choices among 7, 10, 12,
// 15, 17, 20, 25, 30, 35, 40 and 50. Between 8 and 32 a channel takes as much away from both.
TEST(ResidualBudget, GoesWhereItIsWorthMost) {
  SomeLayers two({{1, .5, .2}, {1, .5, .2}});
  ResidualBudget budget = two.planned(192);
  ASSERT_EQ(budget.uniform_k_chunk, 20u);
  share_out(budget, two.prepared, two.reports, std::vector<double>{1, 3});
  EXPECT_EQ(budget.k_chunk_of.at("layer1"), 10u);
  EXPECT_EQ(budget.k_chunk_of.at("layer2"), 30u);
  share_out(budget, two.prepared, two.reports, std::vector<double>{3, 1});
  EXPECT_EQ(budget.k_chunk_of.at("layer1"), 30u);
  EXPECT_EQ(budget.k_chunk_of.at("layer2"), 10u);
}

TEST(ResidualBudget, LeavesOutLayersThatAreKept) {
  SomeLayers two({{1, .5, .2}, {}});
  two.reports[1].is_kept = true;
  ResidualBudget budget = two.planned(144);
  share_out(budget, two.prepared, two.reports, std::vector<double>{1, 0});
  EXPECT_EQ(budget.k_chunk_of, (std::map<std::string, std::uint64_t>{{"layer1", 32}}));
}

}  // namespace
}  // namespace tessera::jobs
