#include "linalg/syrk.hpp"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

using test::random_matrix;

struct Case {
  std::size_t rows, n;
};

class SyrkShapes : public ::testing::TestWithParam<Case> {};

TEST_P(SyrkShapes, AddsToTheLowerTriangleOnly) {
  const auto [rows, n] = GetParam();
  Threads threads(2);
  const Matrix<float> x = random_matrix(rows, n + 3, 7);
  const auto view = x.view().block(0, 2, rows, n);
  Matrix<double> sum(n, n), expected(n, n);
  for (double& value : sum.span()) value = 5;
  for (double& value : expected.span()) value = 5;
  add_outer_products(threads, view, sum);
  add_outer_products_reference(view, expected);
  // A tile's fp32 sum of r products of size up to 16 is off by at most r * eps * 16; typically by
  // sqrt(r) of it.
  const double tile = static_cast<double>(std::min(rows, kSyrkTileRows));
  const double tolerance =
      1e-6 + 6e-8 * 16 * tile * static_cast<double>(num_tiles(rows, kSyrkTileRows));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) ASSERT_NEAR(sum(i, j), expected(i, j), tolerance);
    for (std::size_t j = i + 1; j < n; ++j) ASSERT_EQ(sum(i, j), 5) << "upper triangle written";
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, SyrkShapes,
                         ::testing::Values(Case{0, 4}, Case{4, 0}, Case{1, 1}, Case{1, 129},
                                           Case{kSyrkTileRows - 1, 64},
                                           Case{kSyrkTileRows + 1, 127},
                                           Case{2 * kSyrkTileRows + 7, 40}, Case{40, 530}));

TEST(Syrk, ByHand) {
  Threads threads(1);
  Matrix<float> x(2, 2);
  for (std::size_t i = 0; i < 4; ++i) x.data()[i] = static_cast<float>(i + 1);  // (1 2; 3 4)
  Matrix<double> sum(2, 2);
  add_outer_products(threads, x, sum);
  EXPECT_EQ(sum(0, 0), 10);
  EXPECT_EQ(sum(1, 0), 14);
  EXPECT_EQ(sum(1, 1), 20);
  EXPECT_EQ(sum(0, 1), 0);
  mirror_lower(sum);
  EXPECT_EQ(sum(0, 1), 14);
}

TEST(Syrk, ManyTilesLoseNothing) {
  Threads threads(2);
  Matrix<float> x(40 * kSyrkTileRows, 1);
  for (float& value : x.span())
    value = 1 + 0x1p-11F;  // its square has more bits than a float's long sum keeps
  Matrix<double> sum(1, 1);
  add_outer_products(threads, x, sum);
  const double exact = static_cast<double>(x.rows()) * (1 + 0x1p-11) * (1 + 0x1p-11);
  EXPECT_NEAR(sum(0, 0) / exact, 1, kSyrkTileRows * 6e-8);  // one tile's rounding, not forty's
}

TEST(Syrk, AnyNumberOfThreadsGivesTheSameBits) {
  const Matrix<float> x = random_matrix(1200, 430, 3);
  Matrix<double> expected(430, 430);
  Threads alone(1);
  add_outer_products(alone, x, expected);
  for (const std::size_t count : {2, 3}) {
    Threads threads(count);
    Matrix<double> sum(430, 430);
    add_outer_products(threads, x, sum);
    EXPECT_EQ(std::memcmp(sum.data(), expected.data(), sum.size() * sizeof(double)), 0) << count;
  }
}

TEST(Syrk, RefusesASumOfAnotherShape) {
  Threads threads(1);
  Matrix<double> sum(3, 2);
  EXPECT_THROW(add_outer_products(threads, random_matrix(4, 3, 1), sum), Bug);
  EXPECT_THROW(mirror_lower(sum), Bug);
}

}  // namespace
}  // namespace tessera::linalg
