#include "jobs/cost_model.hpp"

#include <gtest/gtest.h>

namespace tessera::jobs {
namespace {

RunShape shape(std::size_t num_shards, std::vector<double> units) {
  return {2, num_shards, 1000, std::move(units)};
}
constexpr RunRates kRates{3.0, 0.5, 500.0, 2.0};

TEST(CostModel, OnOneRankIsTheSumOfItsParts) {
  const auto time = predict_time(shape(4, {5, 1, 1}), kRates, 1);
  EXPECT_DOUBLE_EQ(time.calibrate_seconds, 2 * (4 * 3.0 + 0.5));
  EXPECT_DOUBLE_EQ(time.reduction_seconds, 0);
  EXPECT_DOUBLE_EQ(time.solve_seconds, 2 * 7.0);
}

TEST(CostModel, ShardsThatDoNotDivideLeaveRanksWaiting) {
  const auto three = predict_time(shape(4, {}), kRates, 3);  // 2 rounds, as on 2 ranks
  const auto two = predict_time(shape(4, {}), kRates, 2);
  EXPECT_DOUBLE_EQ(three.calibrate_seconds - three.reduction_seconds,
                   two.calibrate_seconds - two.reduction_seconds);
}

/// 2 blocks, 2 rounds, half of 1000 bytes handed out at 500 a second.
TEST(CostModel, EveryRoundHandsOutAllButTheOwnSlab) {
  EXPECT_DOUBLE_EQ(predict_time(shape(4, {}), kRates, 2).reduction_seconds, 2 * 2 * 500 / 500.0);
}

TEST(CostModel, TheLargestUnitBoundsTheSolve) {
  const auto time = predict_time(shape(1, {5, 1, 1, 1}), kRates, 64);
  EXPECT_DOUBLE_EQ(time.solve_seconds, 2 * 5.0);
  EXPECT_DOUBLE_EQ(predict_time(shape(1, {5, 1, 1, 1, 1, 1}), kRates, 2).solve_seconds, 2 * 5.0);
}

TEST(CostModel, MoreRanksThanShardsOrUnitsChangeNothing) {
  const auto many = predict_time(shape(4, {1, 1}), {3.0, 0.5, 0, 2.0}, 64);
  const auto enough = predict_time(shape(4, {1, 1}), {3.0, 0.5, 0, 2.0}, 4);
  EXPECT_DOUBLE_EQ(many.total(), enough.total());
}

}  // namespace
}  // namespace tessera::jobs
