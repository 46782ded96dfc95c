#include "calibration/flat_statistics.hpp"

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::calibration {
namespace {

InputStatistics random_statistics(std::size_t channels, std::size_t tokens, std::uint64_t seed) {
  Threads threads(1);
  InputStatistics statistics(channels);
  statistics.add(threads, test::random_matrix(tokens, channels, seed));
  return statistics;
}

void expect_equal(const InputStatistics& a, const InputStatistics& b) {
  EXPECT_EQ(a.hessian.num_tokens, b.hessian.num_tokens);
  for (std::size_t i = 0; i < a.num_channels(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) EXPECT_EQ(a.hessian.sum(i, j), b.hessian.sum(i, j));
  }
  EXPECT_EQ(a.sum, b.sum);
  EXPECT_EQ(a.minimum, b.minimum);
  EXPECT_EQ(a.maximum, b.maximum);
}

TEST(FlatStatistics, SlabsCoverTheRowOnceWhateverTheirSize) {
  for (const std::size_t channels : {1, 2, 7, 13}) {
    for (const std::size_t max_numbers : {1, 3, 10, 1'000'000}) {
      const auto slabs = cut_into_slabs(channels, max_numbers);
      std::size_t next = 0;
      for (const Tile slab : slabs) {
        EXPECT_EQ(slab.begin, next);
        EXPECT_LE(slab.size(), max_numbers);
        next = slab.end;
      }
      EXPECT_EQ(next, flat_size(channels));
    }
  }
  EXPECT_EQ(cut_into_slabs(576, 1 << 24).size(), 1u);
}

TEST(FlatStatistics, IsPutTogetherAgainFromPieces) {
  const auto statistics = random_statistics(7, 5, 1);
  for (const std::size_t max_numbers : {1, 4, 9, 1000}) {
    InputStatistics copy(7);
    for (const Tile slab : cut_into_slabs(7, max_numbers)) {
      std::vector<double> values(slab.size());
      copy_flat(statistics, slab.begin, values);
      place_flat(values, slab.begin, copy);
    }
    expect_equal(copy, statistics);
  }
}

/// Sampled tokens and first tokens come from one shard each; joined, they are those of one pass
/// (aweq.md 7, test 8).
TEST(FlatStatistics, ShardsWithSampledTokensJoinToThoseOfOnePass) {
  Threads threads(1);
  const std::size_t length = 5, num_samples = 6, channels = 7;
  const TokenSample sample = sample_tokens(9, num_samples, length);
  const StatisticsExtras extras{sample, 512};  // three of seven channels
  const auto x = test::random_matrix(num_samples * length, channels, 4);
  InputStatistics whole(channels, extras);
  whole.add(threads, x, {0, length});
  InputStatistics joined(channels, extras);
  const std::size_t size = flat_size({channels, extras});
  StatisticsSlab slab({channels, extras}, {0, size});
  for (const Tile shard : {Tile{0, 1}, Tile{1, 4}, Tile{4, 6}}) {
    InputStatistics partial(channels, extras);
    partial.add(threads, x.view().middle_rows(shard.begin * length, shard.size() * length),
                {shard.begin, length});
    std::vector<double> values(size);
    copy_flat(partial, 0, values);
    slab.join(0, values);
  }
  place_flat(slab.values, 0, joined);
  EXPECT_TRUE(std::ranges::equal(joined.token_rows.span(), whole.token_rows.span()));
  EXPECT_EQ(joined.minimum, whole.minimum);
  EXPECT_EQ(joined.maximum, whole.maximum);
  EXPECT_EQ(joined.num_first, 6u);
  for (std::size_t j = 0; j < channels; ++j) {
    EXPECT_NEAR(joined.first_sum[j], whole.first_sum[j], 1e-12);
    EXPECT_NEAR(joined.sum[j], whole.sum[j], 1e-12);
    double others = 0;  // the mean leaves each sample's first token out
    for (std::size_t t = 0; t < x.rows(); ++t)
      others += t % length == 0 ? 0.0 : static_cast<double>(x(t, j));
    EXPECT_NEAR(joined.mean()[j], others / 24, 1e-12);
  }
  for (std::size_t r = 0; r < sample.num_rows; ++r) {
    EXPECT_GT(sample.position_of(r), 0u);
    const std::size_t row = sample.sample_of(r) * length + sample.position_of(r);
    EXPECT_TRUE(std::ranges::equal(whole.token_rows.view().row_span(r), x.view().row_span(row)));
  }
}

/// Slabs joined piece by piece are what merging whole statistics gives, bit for bit.
TEST(FlatStatistics, Trap03JoinsCountsSumsAndExtremesTogether) {
  const auto first = random_statistics(6, 9, 1);
  const auto second = random_statistics(6, 2, 2);  // other tokens, and fewer
  InputStatistics expected(6);
  expected.merge(first);
  expected.merge(second);
  InputStatistics joined(6);
  for (const Tile range : cut_into_slabs(6, 10)) {
    StatisticsSlab slab(6, range);
    for (const auto* partial : {&first, &second}) {
      for (std::size_t offset = 0; offset < range.size(); offset += 4) {
        std::vector<double> piece(std::min<std::size_t>(4, range.size() - offset));
        copy_flat(*partial, range.begin + offset, piece);
        slab.join(offset, piece);
      }
    }
    place_flat(slab.values, slab.begin, joined);
  }
  expect_equal(joined, expected);
}

TEST(FlatStatistics, OfNoTokensIsTheEmptyOne) {
  InputStatistics empty(3);
  const StatisticsSlab slab(3, {0, flat_size(3)});
  place_flat(slab.values, 0, empty);
  expect_equal(empty, InputStatistics(3));
}

}  // namespace
}  // namespace tessera::calibration
