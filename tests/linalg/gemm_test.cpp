#include "linalg/gemm.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

using test::random_matrix;

constexpr float kGarbage = std::numeric_limits<float>::quiet_NaN();

/// A matrix inside a wider one whose other elements are NaN: reading or writing outside shows.
struct Embedded {
  Embedded(std::size_t rows, std::size_t cols, std::uint64_t seed) : whole(rows, cols + 3) {
    for (float& value : whole.span()) value = kGarbage;
    const Matrix<float> values = random_matrix(rows, cols, seed);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < cols; ++j) view()(i, j) = values(i, j);
    }
  }
  MatrixView<float> view() { return whole.view().block(0, 0, whole.rows(), whole.cols() - 3); }
  Matrix<float> whole;
};

/// Products of standard normals summed over k: rounding grows as k * eps in the worst case, times
/// |a||b| of about 1 to 10.
float tolerance(std::size_t k) {
  return 1e-6F * (4.0F + static_cast<float>(k));
}

struct Case {
  std::size_t m, n, k;
};

class GemmShapes : public ::testing::TestWithParam<std::tuple<Case, bool, bool>> {};

TEST_P(GemmShapes, AgreesWithTheReference) {
  const auto [shape, flip_a, flip_b] = GetParam();
  const auto trans_a = flip_a ? Transposed::yes : Transposed::no;
  const auto trans_b = flip_b ? Transposed::yes : Transposed::no;
  Embedded a(flip_a ? shape.k : shape.m, flip_a ? shape.m : shape.k, 1);
  Embedded b(flip_b ? shape.n : shape.k, flip_b ? shape.k : shape.n, 2);
  for (const float beta : {0.0F, 1.0F, -0.5F}) {
    Embedded c(shape.m, shape.n, 3);
    Embedded expected(shape.m, shape.n, 3);
    gemm(0.75F, a.view(), trans_a, b.view(), trans_b, beta, c.view());
    gemm_reference(0.75F, a.view(), trans_a, b.view(), trans_b, beta, expected.view());
    for (std::size_t i = 0; i < shape.m; ++i) {
      for (std::size_t j = 0; j < shape.n; ++j) {
        ASSERT_NEAR(c.view()(i, j), expected.view()(i, j), tolerance(shape.k)) << i << "," << j;
      }
      ASSERT_TRUE(std::isnan(c.whole(i, shape.n))) << "wrote past row " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, GemmShapes,
    ::testing::Combine(::testing::Values(Case{0, 3, 2}, Case{3, 0, 2}, Case{3, 2, 0}, Case{1, 1, 1},
                                         Case{1, 7, 33}, Case{17, 1, 5}, Case{16, 48, 64},
                                         Case{65, 47, 129}, Case{255, 63, 31}),
                       ::testing::Bool(), ::testing::Bool()));

TEST(Gemm, ByHand) {
  Matrix<float> a(2, 2), b(2, 2), c(2, 2);
  for (std::size_t i = 0; i < 4; ++i) a.data()[i] = b.data()[i] = static_cast<float>(i + 1);
  for (const auto product : {&gemm, &gemm_reference}) {
    for (float& value : c.span()) value = 1;
    product(2, a, Transposed::no, b, Transposed::yes, 10, c);  // 2 (1 2; 3 4)(1 3; 2 4) + 10
    EXPECT_EQ(c(0, 0), 20);
    EXPECT_EQ(c(0, 1), 32);
    EXPECT_EQ(c(1, 0), 32);
    EXPECT_EQ(c(1, 1), 60);
  }
}

TEST(Gemm, BetaZeroOverwritesNaN) {
  const Matrix<float> a = random_matrix(40, 20, 1), b = random_matrix(20, 30, 2);
  for (const std::size_t k : {std::size_t{20}, std::size_t{0}}) {
    Matrix<float> c(40, 30);
    for (float& value : c.span()) value = kGarbage;
    gemm(1, a.view().block(0, 0, 40, k), Transposed::no, b.view().block(0, 0, k, 30),
         Transposed::no, 0, c);
    for (const float value : c.span()) ASSERT_TRUE(std::isfinite(value)) << "k = " << k;
  }
}

TEST(Gemm, SameOperandsGiveTheSameBitsAtAnyAddress) {
  const std::size_t m = 77, n = 53, k = 200;
  const Matrix<float> a = random_matrix(m, k, 1), b = random_matrix(n, k, 2);
  Matrix<float> expected(m, n);
  gemm(1, a, Transposed::no, b, Transposed::yes, 0, expected);
  for (std::size_t shift = 1; shift < 4; ++shift) {  // off every alignment
    Matrix<float> moved(1, m * k + shift), c(1, m * n + shift);
    std::memcpy(moved.data() + shift, a.data(), m * k * sizeof(float));
    gemm(1, {moved.data() + shift, m, k}, Transposed::no, b, Transposed::yes, 0,
         {c.data() + shift, m, n});
    EXPECT_EQ(std::memcmp(c.data() + shift, expected.data(), m * n * sizeof(float)), 0);
  }
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
  Matrix<float> a(2, 3), b(4, 5), c(2, 5);
  EXPECT_THROW(gemm(1, a, Transposed::no, b, Transposed::no, 0, c), Bug);
  EXPECT_THROW(gemm(1, a, Transposed::yes, b, Transposed::no, 0, c), Bug);
}

}  // namespace
}  // namespace tessera::linalg
