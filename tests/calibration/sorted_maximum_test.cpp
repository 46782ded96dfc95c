#include "calibration/sorted_maximum.hpp"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::calibration {
namespace {

void expect_same_as_sort(const Matrix<float>& x) {
  std::vector<float> fast(x.cols());
  std::vector<float> wanted(x.cols());
  raise_to_sorted_magnitudes(x, fast);
  raise_to_sorted_magnitudes_reference(x, wanted);
  EXPECT_EQ(fast, wanted) << x.rows() << " rows of " << x.cols();
}

// A network sorts everything when it sorts zeros and ones (the 0-1 principle): all 2^n patterns,
// one a row.
TEST(SortedMaximum, TheNetworkSortsEveryPatternOfZerosAndOnes) {
  for (std::size_t n = 1; n <= 13; ++n) {
    for (std::size_t pattern = 0; pattern < (std::size_t{1} << n); ++pattern) {
      Matrix<float> x(1, n);
      for (std::size_t j = 0; j < n; ++j) x(0, j) = static_cast<float>(pattern >> j & 1);
      std::vector<float> fast(n);
      std::vector<float> wanted(n);
      raise_to_sorted_magnitudes(x, fast);
      raise_to_sorted_magnitudes_reference(x, wanted);
      ASSERT_EQ(fast, wanted) << n << " channels, pattern " << pattern;
    }
  }
}

TEST(SortedMaximum, EqualsStdSortOnEveryShape) {
  expect_same_as_sort(Matrix<float>(0, 5));
  expect_same_as_sort(Matrix<float>(3, 0));
  for (const std::size_t rows : {1U, 15U, 16U, 17U, 33U}) {
    for (const std::size_t cols : {1U, 2U, 3U, 64U, 172U, 255U, 256U, 257U, 576U, 1536U}) {
      expect_same_as_sort(test::random_matrix(rows, cols, rows * 10000 + cols));
    }
  }
}

TEST(SortedMaximum, ZerosSignsTiesAndExtremes) {
  Matrix<float> x(2, 7);
  const float values[] = {-0.0F,
                          0.0F,
                          -3.0F,
                          3.0F,
                          std::numeric_limits<float>::denorm_min(),
                          -std::numeric_limits<float>::max(),
                          1.0F};
  for (std::size_t j = 0; j < 7; ++j) x(0, j) = values[j];
  expect_same_as_sort(x);
  std::vector<float> maximum(7);
  raise_to_sorted_magnitudes(x, maximum);
  EXPECT_EQ(maximum, (std::vector<float>{std::numeric_limits<float>::max(), 3, 3, 1,
                                         std::numeric_limits<float>::denorm_min(), 0, 0}));
}

TEST(SortedMaximum, RaisesWhatWasThereAndNeverLowers) {
  Matrix<float> x(2, 3);
  x(0, 0) = -5;
  x(0, 1) = 1;
  x(1, 0) = 2;
  x(1, 2) = -4;
  std::vector<float> maximum = {4.5F, 3, 1};
  raise_to_sorted_magnitudes(x, maximum);
  EXPECT_EQ(maximum, (std::vector<float>{5, 3, 1}));
}

TEST(SortedMaximum, WorksOnAPartOfAMatrix) {
  const Matrix<float> whole = test::random_matrix(20, 30, 1);
  const MatrixView<const float> part = whole.view().block(2, 5, 17, 11);
  std::vector<float> fast(11);
  std::vector<float> wanted(11);
  raise_to_sorted_magnitudes(part, fast);
  raise_to_sorted_magnitudes_reference(part, wanted);
  EXPECT_EQ(fast, wanted);
}

}  // namespace
}  // namespace tessera::calibration
