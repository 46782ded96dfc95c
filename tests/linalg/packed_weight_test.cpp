#include "linalg/packed_weight.hpp"

#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "core/threads.hpp"
#include "linalg/gemm.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::linalg {
namespace {

using test::random_matrix;

struct Case {
  std::size_t out, in;
};

class PackedWeightShapes : public ::testing::TestWithParam<Case> {};

TEST_P(PackedWeightShapes, MultipliesLikeThePlainMatrix) {
  const auto [out, in] = GetParam();
  const Matrix<float> weight = random_matrix(out, in + 2, 1);
  const auto view = weight.view().block(0, 1, out, in);
  const PackedWeight packed(view), plain(view, Transposed::no, WeightOrder::plain);
  for (const std::size_t rows : {0, 1, 3, 64, 257}) {
    const Matrix<float> x = random_matrix(rows, in, 2);
    Matrix<float> y(rows, out), expected(rows, out);
    for (float& value : y.span()) value = std::numeric_limits<float>::quiet_NaN();
    packed.multiply(x, y);
    packed.multiply(x, y, Accumulate::yes);
    gemm_reference(2, x, Transposed::no, view, Transposed::yes, 0, expected);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < out; ++j) {
        ASSERT_NEAR(y(i, j), expected(i, j), 2e-6 * static_cast<double>(in + 4)) << i << "," << j;
      }
    }
    Matrix<float> parts(rows, out);
    for (float& value : parts.span()) value = std::numeric_limits<float>::quiet_NaN();
    for (const std::size_t begin : {0, 5}) {  // in two parts, of which one may be empty
      const Tile outputs{std::min<std::size_t>(begin, out),
                         begin == 0 ? std::min<std::size_t>(5, out) : out};
      plain.multiply_outputs(outputs, x, parts);
      plain.multiply_outputs(outputs, x, parts, Accumulate::yes);
    }
    for (std::size_t k = 0; k < parts.size(); ++k) {
      ASSERT_NEAR(parts.data()[k], expected.data()[k], 2e-6 * static_cast<double>(in + 4)) << k;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PackedWeightShapes,
                         ::testing::Values(Case{0, 3}, Case{3, 0}, Case{1, 1}, Case{7, 5},
                                           Case{64, 16}, Case{65, 100}, Case{172, 64}));

TEST(PackedWeight, GivenTransposedIsTheSame) {
  const std::size_t out = 70, in = 37;
  const Matrix<float> weight = random_matrix(out, in, 1), x = random_matrix(9, in, 2);
  Matrix<float> turned(in, out + 3), y(9, out), expected(9, out);
  for (std::size_t i = 0; i < out; ++i) {
    for (std::size_t j = 0; j < in; ++j) turned(j, i) = weight(i, j);
  }
  PackedWeight(weight).multiply(x, expected);
  PackedWeight(turned.view().block(0, 0, in, out), Transposed::yes).multiply(x, y);
  EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0);
}

TEST(PackedWeight, PlainGivenTransposedIsTheSame) {
  const Matrix<float> weight = random_matrix(70, 37, 1), x = random_matrix(9, 37, 2);
  Matrix<float> turned(37, 70), y(9, 70), expected(9, 70);
  for (std::size_t i = 0; i < 70; ++i) {
    for (std::size_t j = 0; j < 37; ++j) turned(j, i) = weight(i, j);
  }
  PackedWeight(weight, Transposed::no, WeightOrder::plain).multiply(x, expected);
  PackedWeight(turned, Transposed::yes, WeightOrder::plain).multiply(x, y);
  EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0);
}

TEST(PackedWeight, OnlyPlainWeightsMultiplyInParts) {
  Matrix<float> x(1, 3), y(1, 4);
  EXPECT_THROW(PackedWeight(random_matrix(4, 3, 1)).multiply_outputs({0, 2}, x, y), Bug);
}

TEST(PackedWeight, SameBitsFromAnyThreadAndAnyAddress) {
  const std::size_t rows = 100, in = 72, out = 50, num_copies = 8;
  const PackedWeight packed(random_matrix(out, in, 1));
  const Matrix<float> x = random_matrix(rows, in, 2);
  Matrix<float> expected(rows, out);
  Threads threads(2);
  packed.multiply(x, expected);
  Matrix<float> moved(num_copies, x.size() + num_copies), y(num_copies, rows * out);
  for (std::size_t i = 0; i < num_copies; ++i) {
    std::memcpy(moved.row(i) + i, x.data(), x.size() * sizeof(float));
  }
  threads.for_each(num_copies, [&](std::size_t i) {
    packed.multiply({moved.row(i) + i, rows, in}, {y.row(i), rows, out});
  });
  for (std::size_t i = 0; i < num_copies; ++i) {
    EXPECT_EQ(std::memcmp(y.row(i), expected.data(), expected.size() * sizeof(float)), 0) << i;
  }
}

TEST(PackedWeight, RefusesShapesThatDoNotFit) {
  const PackedWeight packed(random_matrix(4, 3, 1));
  Matrix<float> x(2, 4), y(2, 4);
  EXPECT_THROW(packed.multiply(x, y), Bug);
  EXPECT_THROW(packed.multiply(x.view().block(0, 0, 2, 3), y), Bug) << "rows with gaps";
}

}  // namespace
}  // namespace tessera::linalg
