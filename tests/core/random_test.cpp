#include "core/random.hpp"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera {
namespace {

TEST(CounterRandom, NumbersDependOnKeyAndCounterAlone) {
  const CounterRandom a(1, "layer", "kmeans");
  const CounterRandom b(1, "layer", "kmeans");
  const std::uint64_t seventh = a.bits(7);
  for (const std::uint64_t i : {0, 3, 9, 2}) static_cast<void>(b.bits(i));
  EXPECT_EQ(b.bits(7), seventh);
}

/// Kept bytes: a change of these numbers changes every output of every job.
TEST(CounterRandom, NumbersAreThoseOfSplitMix64) {
  // SplitMix64's state after i + 1 steps from x is x + (i + 1) gamma: two neighbours undo to one
  // gamma apart.
  const auto unmix = [](std::uint64_t z) {
    z ^= z >> 31 ^ z >> 62;
    z *= 0x319642B2D24D8EC3u;
    z ^= z >> 27 ^ z >> 54;
    z *= 0x96DE1B173F119089u;
    return z ^ z >> 30 ^ z >> 60;
  };
  const CounterRandom random(42, "model.layers.0.mlp.down_proj", "kmeans");
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(unmix(random.bits(i + 1)) - unmix(random.bits(i)), 0x9E3779B97F4A7C15u);
  }
}

TEST(CounterRandom, SeedNameAndPurposeEachChangeTheStream) {
  const std::set<std::uint64_t> firsts{
      CounterRandom(0, "", "").bits(0),    CounterRandom(1, "", "").bits(0),
      CounterRandom(0, "a", "").bits(0),   CounterRandom(0, "", "a").bits(0),
      CounterRandom(0, "ab", "c").bits(0), CounterRandom(0, "a", "bc").bits(0),
      CounterRandom(0, "abc", "").bits(0), CounterRandom(0, std::string(1, '\0'), "").bits(0)};
  EXPECT_EQ(firsts.size(), 8u);
}

TEST(CounterRandom, BelowStaysBelowAndReachesEveryValue) {
  const CounterRandom random(5, "below", "test");
  EXPECT_THROW(static_cast<void>(random.below(0, 0)), Bug);
  for (const std::uint64_t bound : {1u, 2u, 3u, 7u, 100u}) {
    std::vector<int> seen(bound, 0);
    for (std::uint64_t i = 0; i < 100 * bound; ++i) {
      const std::uint64_t value = random.below(i, bound);
      ASSERT_LT(value, bound);
      ++seen[value];
    }
    // Each count is binomial with mean 100 and standard deviation 10; six of them is one in 10^9.
    for (const int count : seen) EXPECT_NEAR(count, 100, 60);
  }
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_LT(random.below(i, 1u << 31), 1u << 31);
}

TEST(CounterRandom, UniformAndNormalHaveTheirMoments) {
  const CounterRandom random(11, "moments", "test");
  constexpr int kCount = 100'000;
  double uniform_sum = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double u = random.uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    uniform_sum += u;
    const double z = random.normal(i);
    ASSERT_TRUE(std::isfinite(z));
    normal_sum += z;
    normal_squares += z * z;
  }
  // Six standard errors: 0.29, 1 and sqrt(2) over sqrt(count).
  const double error = 6 / std::sqrt(kCount);
  EXPECT_NEAR(uniform_sum / kCount, 0.5, 0.29 * error);
  EXPECT_NEAR(normal_sum / kCount, 0, error);
  EXPECT_NEAR(normal_squares / kCount, 1, 1.42 * error);
}

}  // namespace
}  // namespace tessera
