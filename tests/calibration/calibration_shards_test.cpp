#include "calibration/calibration_shards.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::calibration {
namespace {

TEST(CalibrationShards, EverySampleIsInExactlyOne) {
  for (std::size_t num_samples = 1; num_samples <= 40; ++num_samples) {
    for (std::size_t num_shards = 1; num_shards <= num_samples; ++num_shards) {
      const auto shards = cut_into_shards(num_samples, num_shards);
      ASSERT_EQ(shards.size(), num_shards);
      std::size_t next = 0;
      for (const Tile& shard : shards) {
        EXPECT_EQ(shard.begin, next);
        next = shard.end;
      }
      EXPECT_EQ(next, num_samples);
      // Sizes differ by at most one, the larger ones first.
      EXPECT_LE(shards.front().size() - shards.back().size(), 1U);
      EXPECT_GE(shards.back().size(), 1U);
      EXPECT_TRUE(std::is_sorted(shards.rbegin(), shards.rend(),
                                 [](const Tile& a, const Tile& b) { return a.size() < b.size(); }));
    }
  }
}

TEST(CalibrationShards, TenSamplesInFour) {
  const auto shards = cut_into_shards(10, 4);
  EXPECT_EQ(shards[0].size(), 3U);
  EXPECT_EQ(shards[1].size(), 3U);
  EXPECT_EQ(shards[2].size(), 2U);
  EXPECT_EQ(shards[3].begin, 8U);
}

TEST(CalibrationShards, NeitherNoneNorMoreThanSamples) {
  EXPECT_THROW(cut_into_shards(3, 0), Bug);
  EXPECT_THROW(cut_into_shards(3, 4), Bug);
}

}  // namespace
}  // namespace tessera::calibration
