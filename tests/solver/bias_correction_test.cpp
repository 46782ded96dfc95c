// Acceptance test 7 of aweq.md section 7.
#include "solver/aweq/bias_correction.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

struct Bench {
  Matrix<float> tokens, weight, quantized;
  Matrix<double> hessian;
  std::vector<double> mean;

  Bench(std::size_t num_tokens, double offset)
      : tokens(test::random_matrix(num_tokens, 12, 1)),
        weight(test::random_matrix(70, 12, 2)),
        quantized(weight.copy()),
        hessian(12, 12),
        mean(12) {
    const auto noise = test::random_matrix(70, 12, 3);
    for (std::size_t k = 0; k < noise.size(); ++k) quantized.data()[k] += 0.1f * noise.data()[k];
    for (std::size_t t = 0; t < num_tokens; ++t) {
      for (std::size_t i = 0; i < 12; ++i) {
        tokens(t, i) += static_cast<float>(offset);
        mean[i] += static_cast<double>(tokens(t, i)) / static_cast<double>(num_tokens);
      }
      for (std::size_t i = 0; i < 12; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          hessian(i, j) += static_cast<double>(tokens(t, i)) * static_cast<double>(tokens(t, j)) /
                           static_cast<double>(num_tokens);
        }
      }
    }
  }
  CorrectedBias correct(std::uint64_t counted) const {
    Threads threads(2);
    return correct_bias(threads, {"layer", weight, hessian}, quantized, mean, counted);
  }
  /// Mean and mean square of output @p i's error over the tokens, with @p bias added.
  std::pair<double, double> error(std::size_t i, double bias) const {
    double sum = 0, squares = 0;
    for (std::size_t t = 0; t < tokens.rows(); ++t) {
      double e = bias;
      for (std::size_t j = 0; j < 12; ++j) {
        e += (static_cast<double>(quantized(i, j)) - static_cast<double>(weight(i, j))) *
             static_cast<double>(tokens(t, j));
      }
      sum += e;
      squares += e * e;
    }
    return {sum / static_cast<double>(tokens.rows()), squares / static_cast<double>(tokens.rows())};
  }
};

TEST(BiasCorrection, TakesTheMeanErrorAwayAndNeverAddsToTheSquared) {
  const Bench bench(500, 1.5);
  const auto corrected =
      bench.correct(std::uint64_t{1} << 40);  // so many tokens that nothing is shrunk
  ASSERT_EQ(corrected.change.size(), 70u);
  double before = 0, after = 0;
  for (std::size_t i = 0; i < 70; ++i) {
    const auto [mean, squares] = bench.error(i, 0);
    const auto [new_mean, new_squares] = bench.error(i, static_cast<double>(corrected.change[i]));
    EXPECT_LT(std::fabs(new_mean), 1e-6 * std::sqrt(squares) + 1e-7);
    EXPECT_LE(new_squares, squares * (1 + 1e-12));
    before += squares;
    after += new_squares;
  }
  EXPECT_NEAR(corrected.gain, 1 - after / before, 1e-5);
}

TEST(BiasCorrection, FewTokensAreTrustedLess) {
  const Bench bench(500, 0.5);
  const auto many = bench.correct(std::uint64_t{1} << 40), few = bench.correct(4);
  double shrunk = 0, whole = 0;
  for (std::size_t i = 0; i < 70; ++i) {
    EXPECT_LE(std::fabs(few.change[i]), std::fabs(many.change[i]));
    shrunk += std::fabs(static_cast<double>(few.change[i]));
    whole += std::fabs(static_cast<double>(many.change[i]));
  }
  EXPECT_LT(shrunk, 0.9 * whole);
}

TEST(BiasCorrection, WithoutAMeanNothingChanges) {
  Bench bench(400, 0);
  std::ranges::fill(bench.mean, 0.0);
  const auto corrected = bench.correct(400);
  EXPECT_TRUE(corrected.change.empty());
  EXPECT_EQ(corrected.gain, 0);
}

/// Means of 2 and 0 among squares of 5 and 1: the gain is 4 / 6, and of 4 tokens that tell 16 with
/// a spread of 1 the mean is trusted by 16 / 17.
TEST(BiasCorrection, AMeasuredMeanIsShrunkAlike) {
  const std::vector<double> mean = {2, 0}, square = {5, 1};
  const auto corrected = correct_mean_error(mean, square, 4);
  EXPECT_DOUBLE_EQ(corrected.gain, 4.0 / 6.0);
  ASSERT_EQ(corrected.change.size(), 2u);
  EXPECT_FLOAT_EQ(corrected.change[0], -2.0f * 16 / 17);
  EXPECT_EQ(corrected.change[1], 0.0f);
}

TEST(BiasCorrection, AMeanBelowTheLeastGainIsLeft) {
  const std::vector<double> square = {1};
  const std::vector<double> above = {std::sqrt(1.01 * kLeastGain)},
                            below = {std::sqrt(0.99 * kLeastGain)};
  EXPECT_FALSE(correct_mean_error(above, square, 100).change.empty());
  EXPECT_TRUE(correct_mean_error(below, square, 100).change.empty());
  EXPECT_TRUE(correct_mean_error({}, {}, 0).change.empty());
}

TEST(BiasCorrection, ExactWeightsNeedNone) {
  Bench bench(50, 2);
  bench.quantized = bench.weight.copy();
  EXPECT_TRUE(bench.correct(50).change.empty());
}

}  // namespace
}  // namespace tessera::solver
