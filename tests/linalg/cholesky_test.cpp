#include "linalg/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

/// A damped second moment; what stands above the diagonal is NaN, because it must not be read.
Matrix<double> lower_hessian(std::size_t n) {
  Matrix<double> h = test::random_hessian(n, 2 * n + 1, 11);
  for (std::size_t i = 0; i < n; ++i) {
    h(i, i) *= 1.01;
    for (std::size_t j = i + 1; j < n; ++j) h(i, j) = std::numeric_limits<double>::quiet_NaN();
  }
  return h;
}

double lower(const Matrix<double>& h, std::size_t i, std::size_t j) {
  return i >= j ? h(i, j) : h(j, i);
}

std::optional<Matrix<double>> inverse_upper_factor(const Matrix<double>& h) {
  Threads alone(1);
  return linalg::inverse_upper_factor(alone, h);
}

class InverseFactor : public ::testing::TestWithParam<std::size_t> {};

TEST_P(InverseFactor, AgreesWithTheReference) {
  const std::size_t n = GetParam();
  const Matrix<double> h = lower_hessian(n);
  const auto u = inverse_upper_factor(h);
  const auto expected = inverse_upper_factor_reference(h);
  ASSERT_TRUE(u && expected);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      // Relative to the row's pivot; the reference inverts first and loses the condition number
      // (about 1e6 here).
      ASSERT_NEAR((*u)(i, j), (*expected)(i, j), 1e-8 * (*expected)(i, i)) << i << "," << j;
      ASSERT_TRUE(j >= i || (*u)(i, j) == 0) << "below the diagonal: " << i << "," << j;
    }
  }
}

TEST_P(InverseFactor, UTimesHTimesUTransposedIsTheIdentity) {
  const std::size_t n = GetParam();
  const Matrix<double> h = lower_hessian(n);
  const auto u = inverse_upper_factor(h);
  ASSERT_TRUE(u);
  Matrix<double> uh(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t t = i; t < n; ++t) uh(i, j) += (*u)(i, t) * lower(h, t, j);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double value = 0;
      for (std::size_t t = j; t < n; ++t) value += uh(i, t) * (*u)(j, t);
      ASSERT_NEAR(value, i == j ? 1 : 0, 1e-9) << i << "," << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, InverseFactor, ::testing::Values(1, 2, 3, 127, 128, 129, 257));

TEST(InverseFactorByHand, TwoByTwo) {
  Matrix<double> h(2, 2);  // (4 2; 2 5), inverse (5 -2; -2 4) / 16
  h(0, 0) = 4, h(1, 0) = 2, h(1, 1) = 5;
  for (const auto& u : {inverse_upper_factor(h), inverse_upper_factor_reference(h)}) {
    ASSERT_TRUE(u);
    EXPECT_NEAR((*u)(0, 0), std::sqrt(5.0) / 4, 1e-15);
    EXPECT_NEAR((*u)(0, 1), -2 / (4 * std::sqrt(5.0)), 1e-15);
    EXPECT_NEAR((*u)(1, 1), 1 / std::sqrt(5.0), 1e-15);
    EXPECT_EQ((*u)(1, 0), 0);
  }
}

TEST(InverseFactorEdges, NothingHasNothing) {
  const auto u = inverse_upper_factor(Matrix<double>(0, 0));
  ASSERT_TRUE(u);
  EXPECT_TRUE(u->empty());
}

TEST(InverseFactorEdges, AnyNumberOfThreadsGivesTheSameBits) {
  const Matrix<double> h = lower_hessian(600);
  const auto expected = inverse_upper_factor(h);
  ASSERT_TRUE(expected);
  for (const std::size_t count : {2, 3}) {
    Threads threads(count);
    const auto u = linalg::inverse_upper_factor(threads, h);
    ASSERT_TRUE(u);
    EXPECT_EQ(std::memcmp(u->data(), expected->data(), u->size() * sizeof(double)), 0) << count;
  }
}

TEST(InverseFactorEdges, OfRowsAsTheyComeIsTheSameRounded) {
  Threads threads(2);
  for (const std::size_t n : {0, 1, 129, 300}) {
    const Matrix<double> h = lower_hessian(n);
    const auto u = inverse_upper_factor_fp32(threads, n, [&](std::size_t i, std::span<double> out) {
      std::ranges::copy(h.view().row_span(i).first(i + 1), out.begin());
    });
    const auto expected = inverse_upper_factor(h);
    ASSERT_TRUE(u && expected);
    ASSERT_EQ(u->rows(), n);
    for (std::size_t k = 0; k < u->size(); ++k) {
      ASSERT_EQ(u->data()[k], static_cast<float>(expected->data()[k])) << n << ": " << k;
    }
  }
  const auto singular = [](std::size_t, std::span<double> out) { std::ranges::fill(out, 1.0); };
  EXPECT_FALSE(inverse_upper_factor_fp32(threads, 2, singular));
}

TEST(InverseFactorEdges, MatricesThatAreNotPositiveDefinite) {
  for (const std::size_t n : {1, 5, 300}) {
    Matrix<double> dead = lower_hessian(n);
    for (std::size_t j = 0; j < n; ++j) (j <= n / 2 ? dead(n / 2, j) : dead(j, n / 2)) = 0;
    EXPECT_FALSE(inverse_upper_factor(dead)) << "a column that no input reached, n = " << n;
    EXPECT_FALSE(inverse_upper_factor_reference(dead));
    Matrix<double> poisoned = lower_hessian(n);
    poisoned(n - 1, 0) = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(inverse_upper_factor(poisoned)) << "NaN, n = " << n;
    Matrix<double> negative = lower_hessian(n);
    negative(0, 0) = -1;
    EXPECT_FALSE(inverse_upper_factor(negative)) << "negative, n = " << n;
  }
}

TEST(InverseFactorEdges, FewerTokensThanColumnsIsSingularWhateverRoundingSays) {
  EXPECT_FALSE(inverse_upper_factor(test::random_hessian(300, 200, 5)));
  EXPECT_FALSE(inverse_upper_factor(test::random_hessian(40, 39, 5)));
}

class Solve : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Solve, AgreesWithTheReference) {
  const std::size_t n = GetParam();
  const Matrix<double> a = lower_hessian(n);
  for (const std::size_t m : {0, 1, 3, 40}) {
    Matrix<double> b(n, m);
    for (std::size_t i = 0; i < b.size(); ++i) b.data()[i] = std::sin(static_cast<double>(i));
    Matrix<double> expected = b.copy();
    ASSERT_TRUE(solve_positive_definite(a, b));
    ASSERT_TRUE(solve_positive_definite_reference(a, expected));
    double size = 0;
    for (const double value : expected.span()) size = std::max(size, std::abs(value));
    for (std::size_t i = 0; i < b.size(); ++i) {
      ASSERT_NEAR(b.data()[i], expected.data()[i], 1e-9 * size);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Solve, ::testing::Values(1, 2, 63, 257, 300));

TEST(SolveEdges, LeavesBWhenThereIsNoSolution) {
  Matrix<double> a(2, 2), b(2, 1);
  a(0, 0) = a(1, 0) = a(1, 1) = 1;
  b(0, 0) = 7;
  EXPECT_FALSE(solve_positive_definite(a, b));
  EXPECT_EQ(b(0, 0), 7);
}

}  // namespace
}  // namespace tessera::linalg
