#include "linalg/numerical_rank.hpp"

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

TEST(NumericalRank, IsThatOfTheTokensUntilTheyFillTheSpace) {
  for (const std::size_t n : {1, 2, 17, 40}) {
    for (const std::size_t tokens : {1, 5, 17, 100}) {
      EXPECT_EQ(numerical_rank(test::random_hessian(n, tokens, 3)), std::min(n, tokens))
          << n << " channels, " << tokens;
    }
  }
}

TEST(NumericalRank, ZerosAreNoDirections) {
  EXPECT_EQ(numerical_rank(Matrix<double>(5, 5)), 0u);
  EXPECT_EQ(numerical_rank(Matrix<double>()), 0u);
  Matrix<double> h = test::random_hessian(6, 50, 1);
  for (std::size_t j = 0; j < 6; ++j) h(2, j) = h(j, 2) = 0;
  EXPECT_EQ(numerical_rank(h), 5u);
}

/// Small channels count like large ones; copies of a channel do not.
TEST(NumericalRank, ScaleDoesNotMatterAndCopiesDo) {
  Matrix<double> h = test::random_hessian(8, 90, 2);
  for (std::size_t j = 0; j < 8; ++j) {
    h(3, j) *= 1e-7;
    h(j, 3) *= 1e-7;
  }
  EXPECT_EQ(numerical_rank(h), 8u);
  for (std::size_t j = 0; j < 8; ++j) h(5, j) = h(4, j);
  for (std::size_t i = 0; i < 8; ++i) h(i, 5) = h(i, 4);
  EXPECT_EQ(numerical_rank(h), 7u);
}

}  // namespace
}  // namespace tessera::linalg
