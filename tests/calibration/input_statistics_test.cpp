#include "calibration/input_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/calibration_shards.hpp"
#include "core/error.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::calibration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Whole numbers so small that every sum is exact in fp32 and fp64, in whatever order.
Matrix<float> whole_numbers(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Matrix<float> x = test::random_matrix(rows, cols, seed);
  for (float& value : x.span()) value = std::round(3 * value);
  return x;
}

void expect_equal(const InputStatistics& a, const InputStatistics& b) {
  EXPECT_EQ(a.hessian.num_tokens, b.hessian.num_tokens);
  for (std::size_t i = 0; i < a.num_channels(); ++i) {
    for (std::size_t j = 0; j <= i; ++j)
      ASSERT_EQ(a.hessian.sum(i, j), b.hessian.sum(i, j)) << i << " " << j;
  }
  EXPECT_EQ(a.sum, b.sum);
  EXPECT_EQ(a.minimum, b.minimum);
  EXPECT_EQ(a.maximum, b.maximum);
}

InputStatistics statistics_of(MatrixView<const float> x, std::size_t num_threads = 1) {
  Threads threads(num_threads);
  InputStatistics statistics(x.cols);
  statistics.add(threads, x);
  return statistics;
}

TEST(InputStatistics, NoTokensYet) {
  const InputStatistics empty = statistics_of(Matrix<float>(0, 3));
  EXPECT_EQ(empty.hessian.num_tokens, 0U);
  EXPECT_EQ(empty.sum, std::vector<double>(3));
  EXPECT_EQ(empty.minimum[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(empty.maximum[1], -std::numeric_limits<float>::infinity());
}

TEST(InputStatistics, ByHand) {
  Matrix<float> x(2, 2);
  x(0, 0) = 1;
  x(0, 1) = -2;
  x(1, 0) = 3;
  x(1, 1) = 0.5F;
  const InputStatistics s = statistics_of(x);
  EXPECT_EQ(s.hessian.num_tokens, 2U);
  EXPECT_EQ(s.hessian.sum(0, 0), 10);
  EXPECT_EQ(s.hessian.sum(1, 0), -0.5);
  EXPECT_EQ(s.hessian.sum(1, 1), 4.25);
  EXPECT_EQ(s.hessian.sum(0, 1), 0) << "nothing above the diagonal";
  EXPECT_EQ(s.sum, (std::vector<double>{4, -1.5}));
  EXPECT_EQ(s.minimum, (std::vector<float>{1, -2}));
  EXPECT_EQ(s.maximum, (std::vector<float>{3, 0.5F}));
}

TEST(InputStatistics, AgreeWithAPlainLoopInDoublePrecision) {
  for (const std::size_t rows : {1U, 255U, 513U, 700U}) {
    for (const std::size_t cols : {1U, 17U, 129U}) {
      const Matrix<float> x = test::random_matrix(rows, cols, rows + cols);
      const InputStatistics s = statistics_of(x, 2);
      for (std::size_t i = 0; i < cols; ++i) {
        double sum = 0;
        float smallest = x(0, i);
        float largest = x(0, i);
        for (std::size_t t = 0; t < rows; ++t) {
          sum += double{x(t, i)};
          smallest = std::min(smallest, x(t, i));
          largest = std::max(largest, x(t, i));
        }
        ASSERT_EQ(s.sum[i], sum) << "one channel's tokens add in order";
        ASSERT_EQ(s.minimum[i], smallest);
        ASSERT_EQ(s.maximum[i], largest);
        for (std::size_t j = 0; j <= i; ++j) {
          double product = 0;
          double size = 0;  // what rounding is relative to
          for (std::size_t t = 0; t < rows; ++t) {
            product += double{x(t, i)} * x(t, j);
            size += std::fabs(double{x(t, i)} * x(t, j));
          }
          // Tiles of at most 512 products are summed in fp32.
          const double tolerance = 512 * std::numeric_limits<float>::epsilon() * size;
          ASSERT_NEAR(s.hessian.sum(i, j), product, tolerance) << i << " " << j;
        }
      }
    }
  }
}

TEST(InputStatistics, DoNotDependOnTheNumberOfThreads) {
  const Matrix<float> x = test::random_matrix(1100, 150, 3);
  const InputStatistics one = statistics_of(x, 1);
  expect_equal(one, statistics_of(x, 2));
  expect_equal(one, statistics_of(x, 3));
}

TEST(InputStatistics, UnequalShardsMergeToOnePass) {
  const Matrix<float> x = whole_numbers(611, 40, 4);
  const InputStatistics whole = statistics_of(x);
  for (const std::size_t num_shards : {1U, 2U, 7U, 13U, 611U}) {
    InputStatistics merged(40);
    for (const Tile& shard : cut_into_shards(611, num_shards)) {
      merged.merge(statistics_of(x.view().middle_rows(shard.begin, shard.size())));
    }
    expect_equal(whole, merged);
  }
}

TEST(InputStatistics, CountsTokensWhereShardsAreVeryUnequal) {
  const Matrix<float> x = whole_numbers(600, 5, 5);
  InputStatistics merged(5);
  merged.merge(statistics_of(x.view().middle_rows(0, 1)));
  merged.merge(InputStatistics(5));  // a shard without tokens changes nothing
  merged.merge(statistics_of(x.view().middle_rows(1, 599)));
  expect_equal(statistics_of(x), merged);
}

TEST(InputStatistics, AddingInPiecesEqualsAddingAtOnce) {
  const Matrix<float> x = whole_numbers(300, 9, 6);
  Threads threads(2);
  InputStatistics pieces(9);
  for (const Tile& piece : cut_into_shards(300, 7)) {
    pieces.add(threads, x.view().middle_rows(piece.begin, piece.size()));
  }
  expect_equal(statistics_of(x), pieces);
}

TEST(InputStatistics, APartOfALargerMatrix) {
  const Matrix<float> whole = whole_numbers(40, 30, 7);
  const MatrixView<const float> part = whole.view().block(3, 4, 21, 13);
  Matrix<float> copy(21, 13);
  for (std::size_t i = 0; i < 21; ++i) std::copy_n(part.row(i), 13, copy.row(i));
  expect_equal(statistics_of(copy), statistics_of(part));
}

TEST(InputStatistics, NamesTheRowAndChannelOfWhatIsNotFinite) {
  Threads threads(2);
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (const float value : bad) {
    for (const std::size_t channel : {0U, 15U, 16U, 18U}) {
      Matrix<float> x = whole_numbers(600, 19, 8);
      x(301, channel) = value;
      InputStatistics statistics(19);
      try {
        statistics.add(threads, x);
        FAIL() << "no InputError";
      } catch (const InputError& error) {
        EXPECT_THAT(error.what(), HasSubstr("at row 301, channel " + std::to_string(channel)));
      }
      expect_equal(statistics, InputStatistics(19));
    }
  }
}

TEST(InputStatistics, OtherShapesAreBugs) {
  Threads threads(1);
  InputStatistics statistics(3);
  EXPECT_THROW(statistics.add(threads, Matrix<float>(2, 4)), Bug);
  EXPECT_THROW(statistics.merge(InputStatistics(4)), Bug);
}

/// An expert's rows are those of some tokens: they count as if the others had never been.
/// What compensation leaves of each token: here the two smallest of four channels (512 of 1024).
TEST(InputStatistics, LeavesOutWhatIsCompensated) {
  Threads threads(2);
  const Matrix<float> x = whole_numbers(300, 4, 7);
  InputStatistics statistics(4, {{}, 512});
  statistics.add(threads, x);
  Matrix<double> wanted(4, 4);
  for (std::size_t t = 0; t < x.rows(); ++t) {
    std::vector<std::size_t> order = {0, 1, 2, 3};
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      return std::fabs(x(t, a)) > std::fabs(x(t, b));
    });
    for (const std::size_t i : {order[2], order[3]}) {
      for (const std::size_t j : {order[2], order[3]})
        wanted(i, j) += double{x(t, i)} * double{x(t, j)};
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j <= i; ++j) EXPECT_EQ(statistics.left_sum(i, j), wanted(i, j));
  }
  EXPECT_TRUE(statistics_of(x).left_sum.empty()) << "not asked for";
  EXPECT_THROW(statistics.merge(InputStatistics(4)), Bug);
}

TEST(InputStatistics, RowsOfSomeTokens) {
  Threads threads(1);
  const TokenSample sample = sample_tokens(8, 4, 5);  // 4 samples of 5 tokens
  const Matrix<float> x = whole_numbers(10, 3, 1);    // samples 2 and 3
  const std::vector<std::size_t> tokens = {0, 3, 4, 5, 8};
  Matrix<float> some(tokens.size(), 3);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::ranges::copy(x.view().row_span(tokens[i]), some.row(i));
  }
  InputStatistics of_some(3, {sample, 0}), of_all(3, {sample, 0});
  of_some.add(threads, some, {2, 5, tokens});
  of_all.add(threads, x, {2, 5});
  expect_equal(of_some, statistics_of(some));
  EXPECT_EQ(of_some.num_first, 2u);  // tokens 0 and 5
  for (std::size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(of_some.first_sum[j], double{x(0, j)} + double{x(5, j)});
  }
  std::size_t num_kept = 0;
  for (std::size_t r = 0; r < sample.num_rows; ++r) {
    if (sample.sample_of(r) < 2) continue;
    const std::size_t token = (sample.sample_of(r) - 2) * 5 + sample.position_of(r);
    const bool is_kept = std::ranges::count(tokens, token) > 0;
    num_kept += is_kept;
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_EQ(of_some.token_rows(r, j), is_kept ? of_all.token_rows(r, j) : 0.0F);
    }
  }
  EXPECT_GT(num_kept, 0u);
  EXPECT_THROW(of_some.add(threads, some, {2, 5, std::span(tokens).first(2)}), Bug);
}

}  // namespace
}  // namespace tessera::calibration
