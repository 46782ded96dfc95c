#include "jobs/planned_time.hpp"

#include <gtest/gtest.h>

#include "jobs/planned_scratch.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::jobs {
namespace {

/// A machine on which nothing takes time but what a test slows down.
ClusterSettings swift() {
  constexpr double kFast = 1e30;
  ClusterSettings c;
  c.read_bytes = c.write_bytes = c.scratch_bytes = c.network_bytes = kFast;
  c.seconds_per_file = 0;
  c.efficiency = 1;
  c.core = {kFast, kFast, kFast, kFast, kFast, kFast, {{256, kFast}},
            kFast, kFast, kFast, kFast, kFast, kFast, kFast};
  return c;
}

class PlannedTime : public testing::Test {
 protected:
  PlannedTime() { job_.evaluation = {}; }
  StageSeconds predict(const ClusterSettings& cluster, const RunLayout& layout = {}) {
    return predict_seconds(open_planned(job_, log_), cluster, layout, 0);
  }

  SilentLog log_;
  test::TemporaryFolder folder_;
  QuantizeJob job_ = test::write_tiny_job(folder_.path(), {});  // 3 blocks; 7 samples of 19 tokens
};

TEST_F(PlannedTime, NothingTakesNoTime) {
  EXPECT_LT(predict(swift()).total(), 1e-9);
}

// The forward pass by hand: q, o (24 x 24), k, v (8 x 24), gate, up, down (36 x 24) twice each
// weight and token, and attention's two products over half of 19 positions for 24 channels.
TEST_F(PlannedTime, CalibrationIsItsProducts) {
  ClusterSettings cluster = swift();
  cluster.core.product_flops = 1e6;
  const double weights = 2 * 24 * 24 + 2 * 8 * 24 + 3 * 36 * 24;
  const double flops = 7 * 19 * (2 * weights + 4 * (19 / 2.0) * 24) * 3;
  EXPECT_NEAR(predict(cluster)[1], flops / 1e6, 1e-9 * flops);
}

// Inputs of 24, 24, 24 and 36 channels in each of three blocks.
TEST_F(PlannedTime, CalibrationIsItsSums) {
  ClusterSettings cluster = swift();
  cluster.core.square_flops = 1e6;
  const double flops = 7 * 19 * (3 * 24 * 25 + 36 * 37) * 3;
  EXPECT_NEAR(predict(cluster)[1], flops / 1e6, 1e-9 * flops);
}

// Three shards: two ranks need two rounds, three need one, and a fourth has nothing to do.
TEST_F(PlannedTime, ShardsGoInRounds) {
  ClusterSettings cluster = swift();
  cluster.core.product_flops = 1e6;
  const double alone = predict(cluster)[1];
  EXPECT_NEAR(predict(cluster, {2, 2, 1})[1], alone * 2 / 3, 1e-9);
  EXPECT_NEAR(predict(cluster, {3, 3, 1})[1], alone / 3, 1e-9);
  EXPECT_NEAR(predict(cluster, {4, 4, 1})[1], alone / 3, 1e-9);
}

TEST_F(PlannedTime, CoresShareTheWorkAsFarAsTheyDo) {
  ClusterSettings cluster = swift();
  cluster.core.product_flops = 1e6;
  cluster.efficiency = 0.5;
  EXPECT_NEAR(predict(cluster, {1, 1, 4})[1], predict(cluster, {1, 1, 1})[1] / 2, 1e-9);
}

// Between measured sizes the rate of k-means lies on a line in logarithms: at 16 centroids,
// half-way from 4 to 64, the geometric mean. Seven layers of three blocks have 3 x 4128 weights.
TEST_F(PlannedTime, KmeansIsReadBetweenMeasuredSizes) {
  ClusterSettings cluster = swift();
  cluster.core.kmeans = {{4, 4e4}, {64, 1e4}};
  double vectors = 0;
  for (const LayerUnit& unit : open_planned(job_, log_).prepared.units) {
    vectors += static_cast<double>(unit.layer.in_features * unit.layer.out_features) / 4;
  }
  EXPECT_NEAR(predict(cluster)[3], vectors * (5 + 1) / 2e4, 1e-6);
}

// Files: each shard's states after the first and the second block, each input's sums.
TEST_F(PlannedTime, FilesTakeTimeEach) {
  ClusterSettings cluster = swift();
  cluster.seconds_per_file = 1;
  EXPECT_NEAR(predict(cluster)[1], 2 * 3 + 3 * 4, 1e-9);
  EXPECT_NEAR(predict(cluster)[3], 3 * 7, 1e-9);
  EXPECT_NEAR(predict(cluster, {3, 3, 1})[3], 7, 1e-9);
}

TEST_F(PlannedTime, ANetworkOnlyCountsBetweenNodes) {
  ClusterSettings cluster = swift();
  cluster.network_bytes = 1e3;
  EXPECT_LT(predict(cluster, {2, 2, 1})[1], 1e-9);
  const auto sent = static_cast<double>(reduction_bytes(open_planned(job_, log_).prepared, 2));
  EXPECT_NEAR(predict(cluster, {2, 1, 1})[1], sent / 2 / 1e3, 1e-9 * sent);
}

TEST_F(PlannedTime, EveryMethodHasItsSteps) {
  ClusterSettings cluster = swift();
  cluster.core.rounded_weights = cluster.core.ranged_weights = cluster.core.integer_flops = 1e6;
  EXPECT_LT(predict(cluster)[2] + predict(cluster)[3], 1e-9);
  job_.output.format = OutputFormat::compressed_tensors;
  job_.quantize.method = Method::rtn;
  job_.quantize.rtn.group_size = 12;
  const double nearest = predict(cluster)[3];
  EXPECT_GT(nearest, 0);
  job_.quantize.method = Method::gptq;
  job_.quantize.gptq.group_size = 12;
  const double refined = predict(cluster)[3];
  EXPECT_GT(refined, nearest);
  EXPECT_EQ(predict(cluster)[2], 0);
  job_.quantize.method = Method::aweq;
  job_.quantize.aweq.integers.group_size = 12;
  EXPECT_GT(predict(cluster)[2], 0);
  EXPECT_NEAR(predict(cluster)[3], refined, 1e-9);
}

}  // namespace
}  // namespace tessera::jobs
