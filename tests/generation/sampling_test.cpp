#include "generation/sampling.hpp"

#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/random.hpp"

namespace tessera::generation {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// Shares of the tokens over @p count positions.
std::map<std::uint32_t, double> shares(std::span<const float> logits,
                                       const SamplingSettings& settings, std::size_t count) {
  std::map<std::uint32_t, double> result;
  for (std::size_t i = 0; i < count; ++i) {
    result[choose_token(logits, settings, i)] += 1 / static_cast<double>(count);
  }
  return result;
}

/// Probabilities 0.1, 0.4, 0.2, 0.3 of tokens 0 ... 3.
std::vector<float> four_logits() {
  std::vector<float> logits;
  for (const double p : {0.1, 0.4, 0.2, 0.3}) logits.push_back(static_cast<float>(std::log(p)) + 5);
  return logits;
}

TEST(ChooseToken, GreedyTakesTheLargestAndOfEqualsTheLowest) {
  EXPECT_EQ(choose_token(std::vector<float>{-3}, {}, 0), 0u);
  EXPECT_EQ(choose_token(std::vector<float>{1, 7, 7, 2}, {}, 9), 1u);
  EXPECT_EQ(choose_token(std::vector<float>{0, 0, 0}, {}, 1), 0u);
}

TEST(ChooseToken, OneCandidateLeavesNothingToChance) {
  const auto logits = four_logits();
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(choose_token(logits, {1, 1, 1, i}, i), 1u);
    EXPECT_EQ(choose_token(logits, {1, 0, 0.39, i}, i), 1u);  // token 1 alone has 0.4
    EXPECT_EQ(choose_token(logits, {1, 0, 1e-9, i}, i), 1u);  // the first always stays
    EXPECT_EQ(choose_token(logits, {1e-4, 0, 1, i}, i), 1u);  // (4/3)^-10000 is nothing
  }
}

TEST(ChooseToken, FollowsTheProbabilities) {
  const auto logits = four_logits();
  const std::size_t count = 20000;
  const double tolerance = 5 * std::sqrt(0.25 / count);  // five deviations of a share
  auto found = shares(logits, {1, 0, 1, 7}, count);
  EXPECT_NEAR(found[0], 0.1, tolerance);
  EXPECT_NEAR(found[1], 0.4, tolerance);
  EXPECT_NEAR(found[2], 0.2, tolerance);
  EXPECT_NEAR(found[3], 0.3, tolerance);
  found = shares(logits, {0.5, 0, 1, 7}, count);  // squares: 1, 16, 4, 9 of 30
  EXPECT_NEAR(found[1], 16.0 / 30, tolerance);
  EXPECT_NEAR(found[3], 9.0 / 30, tolerance);
}

TEST(ChooseToken, CutsToTopKThenToTopP) {
  const auto logits = four_logits();
  const double tolerance = 5 * std::sqrt(0.25 / 20000);
  auto found = shares(logits, {1, 3, 1, 7}, 20000);  // 4, 3, 2 of 9
  EXPECT_EQ(found.count(0), 0u);
  EXPECT_NEAR(found[1], 4.0 / 9, tolerance);
  EXPECT_NEAR(found[2], 2.0 / 9, tolerance);
  found = shares(logits, {1, 0, 0.71, 7}, 20000);  // 0.4 + 0.3 < 0.71: three stay
  EXPECT_EQ(found.size(), 3u);
  found = shares(logits, {1, 0, 0.69, 7}, 20000);  // two stay
  EXPECT_EQ(found.size(), 2u);
  EXPECT_NEAR(found[1], 4.0 / 7, tolerance);
  found = shares(logits, {1, 2, 0.5, 7}, 20000);  // of the two, token 1 has 4/7
  EXPECT_EQ(found.size(), 1u);
  EXPECT_EQ(shares(logits, {1, 99, 1, 7}, 20000).size(), 4u);
}

TEST(ChooseToken, TiesAtTheCutGoToTheLowest) {
  const std::vector<float> logits = {0, 2, 2, 2};
  const auto found = shares(logits, {1, 2, 1, 3}, 200);
  EXPECT_THAT(found, testing::ElementsAre(testing::Key(1u), testing::Key(2u)));
}

TEST(ChooseToken, DrawsByCounter) {
  const auto logits = four_logits();
  // By hand: candidates in the order 1, 3, 2, 0 with 0.4, 0.7, 0.9, 1.
  for (std::size_t position = 0; position < 100; ++position) {
    const double u = CounterRandom(11, "generate", "sampling").uniform(position);
    const std::uint32_t expected = u < 0.4 ? 1 : u < 0.7 ? 3 : u < 0.9 ? 2 : 0;
    EXPECT_EQ(choose_token(logits, {1, 0, 1, 11}, position), expected) << u;
  }
}

TEST(ChooseToken, RefusesWhatCannotBeSampled) {
  const std::vector<float> bad = {0, NAN, 1}, infinite = {0, INFINITY};
  EXPECT_THAT([&] { choose_token(bad, {}, 12); },
              ThrowsMessage<InputError>(HasSubstr("token 12 are not finite")));
  EXPECT_THROW(choose_token(infinite, {1, 0, 1, 0}, 0), InputError);
  EXPECT_THAT(
      [] {
        check({-0.5, 0, 1, 0});
      },
      ThrowsMessage<InputError>(HasSubstr("temperature is -0.5")));
  EXPECT_THROW(check({NAN, 0, 1, 0}), InputError);
  EXPECT_THAT([] { check({1, 0, 0, 0}); }, ThrowsMessage<InputError>(HasSubstr("top_p is 0")));
  EXPECT_THROW(check({1, 0, 1.5, 0}), InputError);
  EXPECT_THROW(check({1, 0, NAN, 0}), InputError);
}

}  // namespace
}  // namespace tessera::generation
