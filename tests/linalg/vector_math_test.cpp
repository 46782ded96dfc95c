#include "linalg/vector_math.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

std::vector<float> values(std::size_t count, std::uint64_t seed, float size = 1) {
  const Matrix<float> random = test::random_matrix(1, count, seed);
  std::vector<float> out(random.span().begin(), random.span().end());
  for (float& value : out) value *= size;
  return out;
}

const std::vector<std::size_t> kSizes{0, 1, 15, 16, 17, 31, 33, 577};

TEST(VectorMath, SumOfSquaresAndLargest) {
  EXPECT_EQ(sum_of_squares({}), 0);
  EXPECT_EQ(largest({}), -std::numeric_limits<float>::infinity());
  for (const std::size_t n : kSizes) {
    const auto x = values(n, n, 3);
    double sum = 0;
    float best = -std::numeric_limits<float>::infinity();
    for (const float value : x) sum += static_cast<double>(value) * static_cast<double>(value);
    for (const float value : x) best = std::max(best, value);
    EXPECT_NEAR(sum_of_squares(x), sum, 1e-6 * sum) << n;
    EXPECT_EQ(largest(x), best) << n;
  }
}

TEST(VectorMath, SumSubtractAndRelu) {
  EXPECT_EQ(sum({}), 0);
  for (const std::size_t n : kSizes) {
    const auto x = values(n, n + 4, 3);
    double expected = 0, size = 0;
    for (const float value : x) {
      expected += static_cast<double>(value);
      size += std::abs(static_cast<double>(value));
    }
    EXPECT_NEAR(sum(x), expected, 1e-6 * size) << n;
    std::vector<float> out(n);
    subtract(x, 0.7F, out);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(out[i], x[i] - 0.7F);
    auto positive = x;
    relu(positive);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(positive[i], std::max(x[i], 0.0F));
  }
}

TEST(VectorMath, ExpAndSum) {
  for (const std::size_t n : kSizes) {
    auto x = values(n, n + 1, 10);
    const auto before = x;
    const float shift = n == 0 ? 0 : largest(x);
    const double sum = exp_and_sum(x, shift);
    double expected = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double e = std::exp(static_cast<double>(before[i]) - static_cast<double>(shift));
      // The difference is rounded before exp: half a unit in its last place, at most 64 * 6e-8,
      // moves exp by that share.
      EXPECT_NEAR(x[i] / e, 1, 4e-6) << n << ", " << i;
      expected += e;
    }
    EXPECT_NEAR(sum, expected, 1e-6 * expected) << n;
  }
}

TEST(VectorMath, ExpIsWithinTheStatedErrorAndVanishesFarBelow) {
  std::vector<float> x;
  for (float value = 0; value > -87; value -= 0.0371F) x.push_back(value);
  const auto before = x;
  exp_and_sum(x, 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(x[i] / std::exp(static_cast<double>(before[i])), 1, 4e-7) << before[i];
  }
  std::vector<float> far{0, -200, -1e30F};
  EXPECT_EQ(exp_and_sum(far, 0), 1);
}

TEST(VectorMath, SiluTimes) {
  for (const std::size_t n : kSizes) {
    auto gate = values(n, n + 2, 20);
    if (n > 2) gate[0] = -1000, gate[1] = 1000;
    const auto up = values(n, n + 3);
    std::vector<float> out(n);
    silu_times(gate, up, out);
    for (std::size_t i = 0; i < n; ++i) {
      const double g = gate[i];
      const double expected = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
      EXPECT_NEAR(out[i], expected, 1e-6 * std::abs(expected) + 1e-30) << gate[i];
    }
    silu_times(gate, up, gate);  // in place
    EXPECT_EQ(gate, out);
  }
}

TEST(VectorMath, ScalesAndAdds) {
  for (const std::size_t n : kSizes) {
    const auto x = values(n, 1), weight = values(n, 2);
    auto y = values(n, 3), out = x;
    const auto before = y;
    add(x, y);
    scale_by(x, 0.3F, weight, out);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(y[i], x[i] + before[i]);
      EXPECT_EQ(out[i], x[i] * 0.3F * weight[i]);
    }
    scale(y, 2);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], 2 * (x[i] + before[i]));
  }
}

TEST(VectorMath, RotatesTheTwoHalves) {
  for (const std::size_t half : {1, 4, 10, 16, 20, 64}) {
    auto x = values(2 * half, half);
    const auto before = x;
    std::vector<float> cosine(half), sine(half);
    for (std::size_t i = 0; i < half; ++i) {
      cosine[i] = static_cast<float>(std::cos(0.1 * static_cast<double>(i)));
      sine[i] = static_cast<float>(std::sin(0.1 * static_cast<double>(i)));
    }
    rotate_halves(x, cosine, sine);
    for (std::size_t i = 0; i < half; ++i) {
      EXPECT_NEAR(x[i], before[i] * cosine[i] - before[i + half] * sine[i], 1e-6);
      EXPECT_NEAR(x[i + half], before[i + half] * cosine[i] + before[i] * sine[i], 1e-6);
    }
  }
}

TEST(VectorMath, BitsDoNotDependOnTheAddress) {
  const std::size_t n = 83;
  const auto x = values(n, 9);
  auto expected = x;
  const double expected_sum = exp_and_sum(expected, 3);
  for (std::size_t shift = 0; shift < 16; ++shift) {
    std::vector<float> moved(n + 16);
    std::memcpy(moved.data() + shift, x.data(), n * sizeof(float));
    const std::span<float> part(moved.data() + shift, n);
    EXPECT_EQ(sum(part), sum(x)) << shift;
    EXPECT_EQ(sum_of_squares(part), sum_of_squares(x)) << shift;
    EXPECT_EQ(exp_and_sum(part, 3), expected_sum) << shift;
    EXPECT_EQ(std::memcmp(part.data(), expected.data(), n * sizeof(float)), 0) << shift;
  }
}

}  // namespace
}  // namespace tessera::linalg
