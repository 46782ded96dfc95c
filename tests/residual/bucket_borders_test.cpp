#include "residual/bucket_borders.hpp"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "residual/channel_selection.hpp"

namespace tessera::residual {
namespace {

using testing::Each;
using testing::ElementsAre;

/// Tokens of unlike sizes, each with a heavy tail.
Matrix<float> some_tokens(std::size_t count, std::size_t n, std::uint64_t seed) {
  Matrix<float> tokens(count, n);
  for (std::size_t t = 0; t < count; ++t) {
    const CounterRandom random(seed + t, "x", "test");
    const double size = std::exp(0.4 * random.normal(2 * n));
    for (std::size_t j = 0; j < n; ++j) {
      tokens(t, j) =
          static_cast<float>(size * random.normal(2 * j) * std::exp(random.normal(2 * j + 1)));
    }
  }
  return tokens;
}

TEST(BucketBorders, OfNoTokensOrChannelsAreNone) {
  Threads threads(2);
  EXPECT_THAT(bucket_borders(threads, Matrix<float>(0, 3)), ElementsAre(0, 0, 0));
  EXPECT_TRUE(bucket_borders(threads, Matrix<float>(3, 0)).empty());
  EXPECT_THAT(bucket_borders(threads, Matrix<float>(4, 3)), Each(0.0F));
}

TEST(BucketBorders, OfOneTokenAreItsMagnitudes) {
  Threads threads(1);
  Matrix<float> token(1, 3);
  std::ranges::copy(std::vector<float>{-2, 0, 5}, token.data());
  EXPECT_THAT(bucket_borders(threads, token), ElementsAre(5, 2, 0));
}

// 21 tokens t = 0 ... 20 with magnitudes 10 t, 3 t, t, of 3 channels: one channel is b0's. Of 21
// in order the place 20 * 80 / 100 = 16 and 20 * 95 / 100 = 19.
TEST(BucketBorders, AreQuantilesOverTheTokens) {
  Threads threads(2);
  Matrix<float> tokens(21, 3);
  for (std::size_t t = 0; t < 21; ++t) {
    const auto at = static_cast<float>(t);
    tokens(20 - t, t % 3) = -10 * at;
    tokens(20 - t, (t + 1) % 3) = at;
    tokens(20 - t, (t + 2) % 3) = 3 * at;
  }
  EXPECT_THAT(bucket_borders(threads, tokens), ElementsAre(190, 48, 16));
}

// 8 of 1024 are 2 of 300: b0 is that of the second largest, and no border is above it.
TEST(BucketBorders, DoNotRiseAndAreTheSameOnAnyNumberOfThreads) {
  const Matrix<float> tokens = some_tokens(37, 300, 3);
  Threads one(1), three(3);
  const auto borders = bucket_borders(one, tokens);
  EXPECT_TRUE(std::ranges::is_sorted(borders, std::greater<>()));
  EXPECT_EQ(borders, bucket_borders(three, tokens));
  std::vector<float> second;
  for (std::size_t t = 0; t < 37; ++t) {
    std::vector<float> row;
    for (const float x : tokens.view().row_span(t)) row.push_back(std::fabs(x));
    std::ranges::sort(row, std::greater<>());
    second.push_back(row[1]);
  }
  std::ranges::sort(second);
  EXPECT_EQ(borders[0], second[36 * 95 / 100]);
  EXPECT_LE(borders[1], borders[0]);
}

// Other tokens than those the borders were taken from.
TEST(BucketBorders, LetBucketsFindMoreThanTheMaximaDo) {
  constexpr std::size_t kChannels = 1536, kTokens = 64;
  Threads threads(2);
  const Matrix<float> seen = some_tokens(256, kChannels, 1000),
                      others = some_tokens(kTokens, kChannels, 5);
  std::vector<float> maxima(kChannels);
  for (std::size_t t = 0; t < seen.rows(); ++t) {
    std::vector<float> row;
    for (const float x : seen.view().row_span(t)) row.push_back(std::fabs(x));
    std::ranges::sort(row, std::greater<>());
    for (std::size_t j = 0; j < row.size(); ++j) maxima[j] = std::max(maxima[j], row[j]);
  }
  const auto recall = [&](const std::vector<float>& borders, std::size_t k_chunk) {
    const ChannelSelector exact(SelectionRule::exact, kChannels, k_chunk, {});
    const ChannelSelector bucket(SelectionRule::bucket, kChannels, k_chunk, {borders, {}, {}});
    std::vector<std::uint8_t> wanted(kChannels), got(kChannels);
    std::size_t found = 0;
    for (std::size_t t = 0; t < kTokens; ++t) {
      exact.select(others.view().row_span(t), t, wanted);
      bucket.select(others.view().row_span(t), t, got);
      for (std::size_t j = 0; j < kChannels; ++j) found += wanted[j] & got[j];
    }
    return static_cast<double>(found) / static_cast<double>(kTokens * exact.num_selected());
  };
  const auto borders = bucket_borders(threads, seen);
  for (const std::size_t k_chunk : {16, 32, 128}) {
    EXPECT_GT(recall(borders, k_chunk), 0.93) << k_chunk;
    EXPECT_GT(recall(borders, k_chunk), recall(maxima, k_chunk)) << k_chunk;
  }
}

}  // namespace
}  // namespace tessera::residual
