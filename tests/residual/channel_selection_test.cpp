#include "residual/channel_selection.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace tessera::residual {
namespace {

std::vector<float> heavy_tailed(std::size_t n, std::uint64_t token) {
  const CounterRandom random(token, "x", "test");
  std::vector<float> x(n);
  for (std::size_t j = 0; j < n; ++j) {
    x[j] = static_cast<float>(random.normal(2 * j) * std::exp(random.normal(2 * j + 1)));
  }
  return x;
}

std::vector<std::uint32_t> chosen_of(const ChannelSelector& selector, std::span<const float> x,
                                     std::uint64_t token = 0) {
  std::vector<std::uint8_t> marks(x.size(), 7);
  selector.select(x, token, marks);
  std::vector<std::uint32_t> chosen;
  for (std::uint32_t j = 0; j < x.size(); ++j) {
    EXPECT_LE(marks[j], 1);
    if (marks[j] == 1) chosen.push_back(j);
  }
  return chosen;
}

/// The facts that calibration would give over some tokens.
struct Facts {
  std::vector<float> top, norm;
  std::vector<std::uint32_t> order;
  explicit Facts(std::size_t n) : top(n), norm(n, 1.0F), order(n) {
    for (std::uint64_t token = 0; token < 50; ++token) {
      auto x = heavy_tailed(n, token);
      for (float& value : x) value = std::fabs(value);
      std::ranges::sort(x, std::greater<>());
      for (std::size_t j = 0; j < n; ++j) top[j] = std::max(top[j], x[j]);
    }
    std::iota(order.rbegin(), order.rend(), 0U);
  }
  ChannelFacts view() const { return {top, norm, order}; }
};

class EveryRule : public testing::TestWithParam<SelectionRule> {};

// A chunk of 1024 and one of 476: floor(3 * 476 / 1024) = 1, and 4 = floor(3 * 1500 / 1024).
TEST_P(EveryRule, ChoosesAsManyAsItSays) {
  for (const std::size_t n : {std::size_t{1}, std::size_t{340}, std::size_t{1500}}) {
    const Facts facts(n);
    for (const std::size_t k_chunk : {0, 1, 3, 512, 1024}) {
      const ChannelSelector selector(GetParam(), n, k_chunk, facts.view(), "layer");
      EXPECT_EQ(selector.num_selected(), n * k_chunk / 1024);
      EXPECT_EQ(chosen_of(selector, heavy_tailed(n, 1)).size(), n * k_chunk / 1024);
      EXPECT_EQ(chosen_of(selector, std::vector<float>(n)).size(), n * k_chunk / 1024) << "zeros";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, EveryRule,
                         testing::Values(SelectionRule::exact, SelectionRule::bucket,
                                         SelectionRule::global, SelectionRule::fixed,
                                         SelectionRule::random, SelectionRule::scaled));

TEST(ChannelSelection, IsSortingWithinChunks) {
  const auto x = heavy_tailed(1500, 3);
  const ChannelSelector exact(SelectionRule::exact, 1500, 20, {});
  auto wanted = largest_channels_reference(std::span(x).first(1024), 20);
  for (const auto j : largest_channels_reference(std::span(x).subspan(1024), 476 * 20 / 1024)) {
    wanted.push_back(1024 + j);
  }
  EXPECT_EQ(chosen_of(exact, x), wanted);
  const ChannelSelector global(SelectionRule::global, 1500, 20, {});
  EXPECT_EQ(chosen_of(global, x), largest_channels_reference(x, 29));
}

TEST(ChannelSelection, TakesTheLowestOfEquals) {
  const std::vector<float> x = {1, -2, 2, 0, 2, -2, 1, 0};
  const std::vector<float> top = {2, 2, 2, 2, 1, 1, 0, 0};
  const std::vector<std::uint32_t> wanted = {1, 2};
  const ChannelSelector exact(SelectionRule::exact, 8, 256, {});
  EXPECT_EQ(chosen_of(exact, x), wanted);
  const ChannelSelector bucket(SelectionRule::bucket, 8, 256, {top, {}, {}});
  EXPECT_EQ(chosen_of(bucket, x), wanted);
}

// b0 = 17, b15 = 2: floors 17, 16, ... 2, then 2 * 15/16 ... 0.
TEST(ChannelSelection, HasDecDecsBuckets) {
  const auto floors = bucket_floors(17, 2);
  ASSERT_EQ(floors.size(), 32U);
  EXPECT_EQ(floors[0], 17.0F);
  EXPECT_EQ(floors[1], 16.0F);
  EXPECT_EQ(floors[15], 2.0F);
  EXPECT_EQ(floors[16], 2.0F * 15 / 16);
  EXPECT_EQ(floors[31], 0.0F);
}

// Of one bucket the first channels are taken, not the largest: 15.5 and 15.9 lie in [15, 16).
TEST(ChannelSelection, GivesTheFirstChannelsOfTheBucketThatOverflows) {
  const std::vector<float> x = {15.5F, 15.9F, 16.5F, 1.0F};
  const std::vector<float> top = {17, 2, 1, 1};
  const ChannelSelector bucket(SelectionRule::bucket, 4, 512, {top, {}, {}});
  EXPECT_EQ(chosen_of(bucket, x), (std::vector<std::uint32_t>{0, 2}));
}

// As in the published emulation: .89 to .94 of the largest at k_chunk 32, .87 and .83 at 8.
TEST(ChannelSelection, BucketsFindMostOfTheLargest) {
  const std::size_t n = 2048;
  const Facts facts(n);
  const ChannelSelector exact(SelectionRule::exact, n, 32, {});
  const ChannelSelector bucket(SelectionRule::bucket, n, 32, facts.view());
  std::size_t found = 0, total = 0;
  for (std::uint64_t token = 0; token < 20; ++token) {
    const auto x = heavy_tailed(n, token);
    const auto wanted = chosen_of(exact, x), got = chosen_of(bucket, x);
    std::vector<std::uint32_t> both;
    std::ranges::set_intersection(wanted, got, std::back_inserter(both));
    found += both.size();
    total += wanted.size();
  }
  EXPECT_GT(static_cast<double>(found) / static_cast<double>(total), 0.85);
}

TEST(ChannelSelection, ScalesByTheNormOfWhatIsFetched) {
  const std::vector<float> x = {3, 2, 1, 0}, norm = {0.1F, 1, 5, 100};
  const ChannelSelector scaled(SelectionRule::scaled, 4, 512, {{}, norm, {}});
  EXPECT_EQ(chosen_of(scaled, x), (std::vector<std::uint32_t>{1, 2}));
}

TEST(ChannelSelection, DrawsAnewForEachTokenAndAlikeForTheSame) {
  const std::vector<float> x(1024, 1.0F);
  const ChannelSelector random(SelectionRule::random, 1024, 64, {}, "layer");
  EXPECT_EQ(chosen_of(random, x, 5), chosen_of(random, x, 5));
  EXPECT_NE(chosen_of(random, x, 5), chosen_of(random, x, 6));
  const ChannelSelector other(SelectionRule::random, 1024, 64, {}, "other");
  EXPECT_NE(chosen_of(random, x, 5), chosen_of(other, x, 5));
}

}  // namespace
}  // namespace tessera::residual
