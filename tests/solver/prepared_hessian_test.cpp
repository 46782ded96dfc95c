#include "solver/prepared_hessian.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>

#include "solver/layer_failure.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

using ::testing::HasSubstr;

std::vector<std::uint32_t> identity(std::size_t n) {
  std::vector<std::uint32_t> perm(n);
  std::iota(perm.begin(), perm.end(), 0u);
  return perm;
}

/// Both forms of a prepared Hessian.
struct Prepared {
  Matrix<float> inverse_upper, square;
};

Prepared prepare(const Matrix<double>& hessian, const std::vector<float>& scale,
                 const std::vector<std::uint32_t>& perm, double damp_fraction) {
  Threads threads(2);
  return {prepared_inverse_upper(threads, hessian, scale, perm, damp_fraction),
          prepared_square(hessian, scale, perm, damp_fraction)};
}

/// Largest entry of U^T U square - I.
double inverse_error(const Prepared& h) {
  const std::size_t n = h.square.rows();
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = i == j ? -1 : 0;
      for (std::size_t k = 0; k < n; ++k) {
        double inverse = 0;  // (U^T U)(i, k)
        for (std::size_t m = 0; m <= std::min(i, k); ++m)
          inverse += double(h.inverse_upper(m, i)) * h.inverse_upper(m, k);
        sum += inverse * h.square(k, j);
      }
      worst = std::max(worst, std::abs(sum));
    }
  }
  return worst;
}

TEST(PreparedHessian, OneColumn) {
  Matrix<double> h(1, 1);
  h(0, 0) = 8;
  const auto prepared = prepare(h, std::vector<float>{3}, identity(1), 0.5);
  EXPECT_FLOAT_EQ(prepared.square(0, 0), 1.5f * 9);  // (8 / 8 + 0.5) * 3^2
  EXPECT_FLOAT_EQ(prepared.inverse_upper(0, 0), 1 / std::sqrt(13.5f));
}

TEST(PreparedHessian, FactorBelongsToTheScaledPermutedMatrix) {
  const std::size_t n = 9;
  const auto h = test::random_hessian(n, 40, 3);
  std::vector<float> scale(n);
  for (std::size_t j = 0; j < n; ++j) scale[j] = 0.5f + static_cast<float>(j);
  std::vector<std::uint32_t> perm{4, 0, 8, 2, 6, 1, 3, 7, 5};
  const auto prepared = prepare(h, scale, perm, 0.01);
  double mean = 0;
  for (std::size_t j = 0; j < n; ++j) mean += h(j, j) / static_cast<double>(n);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t q = 0; q < n; ++q) {
      const double expected =
          (h(perm[p], perm[q]) / mean + (p == q ? 0.01 : 0)) * scale[perm[p]] * scale[perm[q]];
      EXPECT_NEAR(prepared.square(p, q), expected, 1e-6 * std::abs(expected) + 1e-12);
    }
  }
  EXPECT_LT(inverse_error(prepared), 1e-3);  // condition number about 1e4, fp32 entries
}

TEST(PreparedHessian, ImportanceIsItsDiagonal) {
  const auto h = test::random_hessian(5, 20, 3);
  const std::vector<float> scale{1, 2, 3, 4, 5};
  const auto importance = column_importance(h, scale, 0.02);
  const auto prepared = prepare(h, scale, identity(5), 0.02);
  for (std::size_t j = 0; j < 5; ++j)
    EXPECT_FLOAT_EQ(prepared.square(j, j), static_cast<float>(importance[j]));
}

TEST(PreparedHessian, NoInputAtAllIsPureDamping) {
  const Matrix<double> zero(4, 4);
  EXPECT_EQ(count_dead_columns(zero), 4);
  const auto prepared = prepare(zero, std::vector<float>(4, 1), identity(4), 0.01);
  EXPECT_FLOAT_EQ(prepared.square(2, 2), 0.01f);
}

/// What prepare_hessian says of @p h at this dampening; empty: nothing is wrong with it.
std::string problem_of(const Matrix<double>& h, double damp_fraction) {
  try {
    prepare(h, std::vector<float>(h.rows(), 1), identity(h.rows()), damp_fraction);
    return "";
  } catch (const LayerFailure& failure) {
    return failure.what();
  }
}

TEST(PreparedHessian, RefusesWhatIsNotPositiveDefiniteAtTheDampeningAsked) {
  Matrix<double> h(2, 2);
  h(0, 0) = h(1, 1) = 1;
  h(1, 0) = h(0, 1) = 1.05;  // no second moment has this; 0.01 does not mend it, 0.1 does
  EXPECT_EQ(problem_of(h, 0.01), "the Hessian is not positive definite at a dampening of 0.01");
  EXPECT_EQ(problem_of(h, 0.1), "");
}

TEST(PreparedHessian, RefusesFewerTokensThanColumnsWithoutDampening) {
  const auto h = test::random_hessian(9, 4, 3);  // of rank 4
  EXPECT_THAT(problem_of(h, 0), HasSubstr("not positive definite at a dampening of 0"));
  EXPECT_EQ(problem_of(h, 0.05), "");
}

TEST(PreparedHessian, RefusesNumbersThatAreNotFinite) {
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    auto h = test::random_hessian(4, 20, 3);
    h(2, 1) = h(1, 2) = bad;
    EXPECT_THAT(problem_of(h, 0.05), HasSubstr("not positive definite")) << bad;
  }
}

}  // namespace
}  // namespace tessera::solver
