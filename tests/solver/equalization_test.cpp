// The acceptance tests 2 to 5 and 9 of aweq.md section 7; 1 and 6 stand in
// tests/jobs/equalized_weights_test.cpp, 7 in bias_correction_test.cpp, 8 in
// tests/calibration/flat_statistics_test.cpp.
#include "solver/aweq/equalization.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::solver {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// Tokens with outlier channels, two layers that read them, and their statistics.
struct Bench {
  Matrix<float> tokens, first, second;
  Matrix<double> hessian;
  explicit Bench(std::size_t n, std::size_t num_tokens = 200)
      : tokens(test::random_matrix(num_tokens, n, 1)),
        first(test::random_matrix(2 * n + 1, n, 2)),
        second(test::random_matrix(3, n, 3)),
        hessian(n, n) {
    for (std::size_t t = 0; t < num_tokens; ++t) {
      for (std::size_t j = 0; j < n; ++j) {
        if (j % 5 == 0) tokens(t, j) = 30 * tokens(t, j) + 10;
        if (j % 7 == 3) tokens(t, j) *= 0.05f;
      }
    }
    for (std::size_t t = 0; t < num_tokens; ++t) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          hessian(i, j) += static_cast<double>(tokens(t, i)) * static_cast<double>(tokens(t, j)) /
                           static_cast<double>(num_tokens);
        }
      }
    }
  }
  SharedInput input() const {
    SharedInput shared;
    shared.name = "block 3, mlp_input";
    shared.consumers = {first.view(), second.view()};
    shared.hessian = hessian;
    for (std::size_t j = 0; j < tokens.cols(); ++j) {
      float low = tokens(0, j), high = low;
      for (std::size_t t = 0; t < tokens.rows(); ++t) {
        low = std::min(low, tokens(t, j));
        high = std::max(high, tokens(t, j));
      }
      shared.minimum.push_back(low);
      shared.maximum.push_back(high);
    }
    return shared;
  }
  float weight_range(std::size_t j, bool is_absolute) const {
    float low = first(0, j), high = low;
    for (const Matrix<float>* weight : {&first, &second}) {
      for (std::size_t i = 0; i < weight->rows(); ++i) {
        low = std::min(low, (*weight)(i, j));
        high = std::max(high, (*weight)(i, j));
      }
    }
    return is_absolute ? std::max(-low, high) : high - low;
  }
};

TEST(EqualizingScale, AfterItBothRangesAreEqualInEveryChannel) {
  const Bench bench(13);
  const auto input = bench.input();
  const auto s = equalizing_scale(input, kAweqRule);
  for (std::size_t j = 0; j < s.size(); ++j) {
    const float x = (input.maximum[j] - input.minimum[j]) / s[j],
                w = bench.weight_range(j, false) * s[j];
    EXPECT_NEAR(x, w, 1e-5 * w) << j;
  }
}

/// sum p_x p_w at the formula is the bound sum(r r') / max(r r').
TEST(EqualizingScale, ReachesTheBoundOfTheObjective) {
  const Bench bench(13);
  const auto input = bench.input();
  const auto s = equalizing_scale(input, kAweqRule);
  double products = 0, largest_product = 0, largest_x = 0, largest_w = 0;
  for (std::size_t j = 0; j < s.size(); ++j) {
    const double x = input.maximum[j] - input.minimum[j], w = bench.weight_range(j, false);
    products += x * w;
    largest_product = std::max(largest_product, x * w);
    largest_x = std::max(largest_x, x / static_cast<double>(s[j]));
    largest_w = std::max(largest_w, w * static_cast<double>(s[j]));
  }
  EXPECT_NEAR(products / (largest_x * largest_w), products / largest_product,
              1e-5 * products / largest_product);
}

/// SmoothQuant's s = max|x|^a / max|w|^(1 - a), computed as its own code does.
TEST(EqualizingScale, WithAbsoluteMaximaIsSmoothQuantBitForBit) {
  const Bench bench(13);
  const auto input = bench.input();
  for (const float alpha : {0.3f, 0.5f, 0.85f}) {
    const auto s = equalizing_scale(input, {false, RangeKind::abs_max, static_cast<double>(alpha)});
    for (std::size_t j = 0; j < s.size(); ++j) {
      const float x = std::max(std::fabs(input.minimum[j]), std::fabs(input.maximum[j]));
      EXPECT_EQ(s[j], std::pow(x, alpha) / std::pow(bench.weight_range(j, true), 1.0f - alpha));
    }
  }
}

/// Channel j times c, its weights over c: s_j times c.
TEST(EqualizingScale, FollowsAChangeOfScale) {
  Bench bench(13);
  const auto before = equalizing_scale(bench.input(), kAweqRule);
  const float c = 8;
  for (std::size_t t = 0; t < bench.tokens.rows(); ++t) bench.tokens(t, 4) *= c;
  for (Matrix<float>* weight : {&bench.first, &bench.second}) {
    for (std::size_t i = 0; i < weight->rows(); ++i) (*weight)(i, 4) /= c;
  }
  const auto after = equalizing_scale(bench.input(), kAweqRule);
  for (std::size_t j = 0; j < before.size(); ++j) {
    EXPECT_NEAR(after[j], before[j] * (j == 4 ? c : 1), 1e-5f * after[j]);
  }
}

TEST(EqualizingScale, TiedChannelsShareOne) {
  const Bench bench(8);
  auto input = bench.input();
  input.scale_of = {0, 1, 2, 3, 0, 1, 2, 3};
  const auto s = equalizing_scale(input, kAweqRule);
  for (std::size_t j = 0; j < 4; ++j) EXPECT_EQ(s[j], s[j + 4]);
}

TEST(EqualizingScale, ConstantAndDeadChannelsKeepTheirScale) {
  Bench bench(6);
  for (std::size_t i = 0; i < bench.first.rows(); ++i) bench.first(i, 1) = 0;
  for (std::size_t i = 0; i < bench.second.rows(); ++i) bench.second(i, 1) = 0;
  auto input = bench.input();
  input.minimum[2] = input.maximum[2] = 0.5f;  // a constant input has no extent
  input.minimum[4] = input.maximum[4] = 0;
  for (const RangeKind kind : {RangeKind::min_max, RangeKind::abs_max}) {
    const auto s = equalizing_scale(input, {false, kind, 0.5});
    EXPECT_EQ(s[1], 1);
    EXPECT_EQ(s[4], 1);
    EXPECT_TRUE(kind != RangeKind::min_max || s[2] == 1);
    for (const float value : s) EXPECT_TRUE(value >= 1e-5f && value <= 1e5f);
  }
}

TEST(EqualizingScale, ARangeThatIsNotFiniteIsRefusedByName) {
  const Bench bench(6);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    auto input = bench.input();
    input.maximum[3] = bad;
    EXPECT_THAT(
        [&] { equalizing_scale(input, kAweqRule); },
        ThrowsMessage<InputError>(AllOf(HasSubstr("block 3, mlp_input"), HasSubstr("channel 3"))));
  }
}

/// Whatever is searched holds AWEQ's formula and SmoothQuant's, and s = 1.
TEST(Equalize, IsNeverWorseThanTheMembersOfItsFamily) {
  const Bench bench(24);
  Threads threads(2);
  for (const Scheme scheme : {Scheme::w8a8, Scheme::w4a16, Scheme::w3a16}) {
    auto input = bench.input();
    AweqSettings settings;
    settings.integers.scheme = scheme;
    settings.integers.group_size = 8;
    if (settings.integers.quantizes_input()) input.rows = bench.tokens.view().middle_rows(0, 50);
    const auto found = equalize(threads, input, settings, StoredType::float16);
    const std::vector<float> ones(24, 1.0f);
    EXPECT_EQ(found.plain_error,
              scaled_error(threads, input, ones, settings.integers, StoredType::float16));
    EXPECT_LE(found.error, found.plain_error);
    for (const ScaleRule& rule : {kAweqRule, kSmoothQuantRule}) {
      const auto s = equalizing_scale(input, rule);
      EXPECT_LE(found.error,
                scaled_error(threads, input, s, settings.integers, StoredType::float16));
    }
    EXPECT_TRUE(scheme != Scheme::w8a8 ||
                found.error < 0.5 * found.plain_error);  // outlier channels
  }
}

TEST(Equalize, TakesTheRuleItIsTold) {
  const Bench bench(10);
  Threads threads(1);
  AweqSettings settings;
  settings.equalize = Equalize::none;
  EXPECT_TRUE(equalize(threads, bench.input(), settings, StoredType::float16).scale.empty());
  settings.equalize = Equalize::aweq;
  EXPECT_EQ(equalize(threads, bench.input(), settings, StoredType::float16).scale,
            equalizing_scale(bench.input(), kAweqRule));
  settings.equalize = Equalize::fixed;
  settings.range = RangeKind::abs_max;
  settings.exponent = 0.8;
  EXPECT_EQ(equalize(threads, bench.input(), settings, StoredType::float16).rule.to_text(),
            "abs_max ^ 0.80");
}

}  // namespace
}  // namespace tessera::solver
